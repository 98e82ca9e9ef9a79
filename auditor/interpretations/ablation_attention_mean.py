"""Mean ablation of a whole attention layer: replace what it writes by its mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.ablation.substitutes import mean
from auditor.measures.ablation.sweep import Ablation, sweep
from auditor.measures.expectations import whole_scores
from auditor.records import Component, Expected, Interpretation


class AttentionMeanAblation(InterpretationMethod):
    """KL(untouched ‖ ablated) when the output of an attention layer is set to its mean, mean over the scored outputs.

    The output is what the layer writes to the residual stream; its mean is over all positions of the inputs.
    """

    version = 1
    family = "ablation"
    summary = "how much the output distribution moves when a whole attention layer writes its mean"
    unit = "nats per token"
    higher_means = "the layer matters more"
    source = "Wang et al. 2022, arXiv 2211.00593, section 2.1"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = whole_scores()

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part]."""
        model, inputs = request.model, request.inputs
        parts = tuple(Component(layer, part="attention") for layer in range(model.architecture.layers))
        (effects,) = sweep(
            model, inputs, [Ablation(parts, Site.ATTENTION_OUT, mean(model, inputs, Site.ATTENTION_OUT))]
        )
        return Interpretation(self.name, ("sequence", "part"), parts, effects)
