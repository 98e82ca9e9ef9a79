"""Mean ablation of a head, scored by closing accuracy."""

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

EFFECT = EFFECTS["closing_accuracy"]


class HeadMeanAblationClosingAccuracy(InterpretationMethod):
    """How much closing accuracy falls when a head's z is set to its mean: untouched minus ablated, per sequence.

    A decision is right where the matching bracket has more than 0.8 of the closing brackets' probability.
    """

    version = 1
    family = "ablation"
    summary = "how much closing accuracy falls when the head's output z is set to its mean"
    unit = EFFECT.unit
    higher_means = "more decisions need the head"
    source = "Wen et al. 2023, arXiv 2312.01429, section 5 (accuracy); Wang et al. 2022, arXiv 2211.00593"
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
