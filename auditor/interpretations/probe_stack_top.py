"""A linear probe for the bracket on top of the stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.attention import with_open_bracket
from auditor.measures.expectations import whole_scores
from auditor.measures.probing import ProbeTask, selectivity
from auditor.records import Expected, Interpretation


class StackTopProbe(InterpretationMethod):
    """Held-out accuracy of a linear probe for the type of the last open bracket, minus that of a random-label control.

    For the stream as embedded and after each layer, and for what each half of a layer writes, where a bracket is open.
    Reads the raw stream: a mean over features that every LayerNorm removes may still be read.
    """

    version = 1
    family = "probe"
    summary = "how much better than random labels a linear probe reads the type of the last open bracket"
    unit = "accuracy above control"
    higher_means = "the top of the stack can be read there linearly"
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

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs two types to tell apart."""
        return "with one bracket type there is nothing to tell apart" if model.task.language.types == 1 else None

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part]. Sequences whose inputs never leave a bracket open are left out."""
        model, inputs, generator = request.model, request.inputs, request.generator
        task = ProbeTask(inputs.stack_top_type, with_open_bracket(inputs))
        return selectivity(self.name, model, inputs, task, generator)
