"""Zero ablation of a whole attention layer: replace what it writes by 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.ablation.substitutes import zero
from auditor.measures.ablation.sweep import Ablation, sweep
from auditor.measures.expectations import whole_scores
from auditor.records import Component, Expected, Interpretation


class AttentionZeroAblation(InterpretationMethod):
    """KL(untouched ‖ ablated) when the output of an attention layer is set to zero, mean over the scored outputs.

    The output is what the layer writes, biases included: no gauge inside the layer moves this zero.
    """

    version = 1
    family = "ablation"
    summary = "how much the output distribution moves when a whole attention layer writes nothing"
    unit = "nats per token"
    higher_means = "the layer matters more"
    source = "Michel et al. 2019, arXiv 1905.10650, section 3"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = whole_scores()

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part]."""
        model, inputs = request.model, request.inputs
        parts = tuple(Component(layer, part="attention") for layer in range(model.architecture.layers))
        (effects,) = sweep(model, inputs, [Ablation(parts, Site.ATTENTION_OUT, zero(model))])
        return Interpretation(self.name, ("sequence", "part"), parts, effects)
