"""Mean ablation of a head, scored by the logit difference between closing brackets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.ablation.effects import EFFECTS
from auditor.measures.ablation.substitutes import mean
from auditor.measures.ablation.sweep import head_effects
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation

EFFECT = EFFECTS["logit_difference"]


class HeadMeanAblationLogitDifference(InterpretationMethod):
    """How far the right closing bracket's lead falls when a head's z is set to its mean, mean over decisions.

    The lead is the logit of the closing bracket that matches minus the mean logit of the others.
    """

    version = 1
    smallest_plan = "standard"
    family = "ablation"
    summary = "how much lead the right closing bracket loses when the head's output z is set to its mean"
    unit = EFFECT.unit
    higher_means = "the head supports the right bracket"
    source = "Wang et al. 2022, arXiv 2211.00593, sections 2.1 and 3"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores()

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs decisions between bracket types."""
        return EFFECT.not_applicable(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        effects = head_effects(model, inputs, mean(model, inputs, Site.Z), EFFECT)
        return Interpretation(self.name, ("sequence", "head"), model.architecture.heads, effects)
