"""A linear probe for the depth of the stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.attention import with_choice
from auditor.measures.expectations import whole_scores
from auditor.measures.probing import ProbeTask, selectivity
from auditor.records import Expected, Interpretation


class DepthProbe(InterpretationMethod):
    """Held-out accuracy of a linear probe for the number of open brackets, minus that of a random-label control.

    For the stream as embedded and after each layer, and for what each half of a layer writes, at every position
    behind the first. Reads the raw stream: a mean over features that every LayerNorm removes may still be read.
    """

    version = 1
    smallest_plan = "standard"
    family = "probe"
    summary = "how much better than random labels a linear probe reads the depth of the stack"
    unit = "accuracy above control"
    higher_means = "the depth can be read there linearly"
    source = "Alain & Bengio 2016, arXiv 1610.01644; Hewitt & Liang 2019, arXiv 1909.03368, equation 2"
    draws_at_random = True  # the labels of the control
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = whole_scores(
        exact_centred_writing=Expected.CHANGES,
        exact_mean_direction_writing=Expected.CHANGES,
        exact_norm_folding=Expected.OPEN,  # where the stream itself is normed, its features lose their gain
        exact_residual_rotation=Expected.OPEN,  # folds norms first
    )

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part]."""
        model, inputs, generator = request.model, request.inputs, request.generator
        task = ProbeTask(inputs.depth, with_choice(inputs))
        return selectivity(self.name, model, inputs, task, generator)
