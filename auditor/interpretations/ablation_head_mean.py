"""Mean ablation of a head: replace its output z by its mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.ablation.substitutes import mean
from auditor.measures.ablation.sweep import head_effects
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class HeadMeanAblation(InterpretationMethod):
    """KL(untouched ‖ ablated) when a head's z is set to its mean over all positions of the inputs.

    Equals zero ablation in the canonical gauge where E[z] = 0.
    """

    version = 1
    smallest_plan = "quick"
    family = "ablation"
    summary = "how much the output distribution moves when the head's output z is set to its mean"
    unit = "nats per token"
    higher_means = "the head matters more"
    source = "Wang et al. 2022, arXiv 2211.00593, section 2.1"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores()

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        effects = head_effects(model, inputs, mean(model, inputs, Site.Z))
        return Interpretation(self.name, ("sequence", "head"), model.architecture.heads, effects)
