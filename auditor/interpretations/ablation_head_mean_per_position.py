"""Mean ablation of a head, position by position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.ablation.substitutes import mean_per_position
from auditor.measures.ablation.sweep import head_effects
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class HeadPositionMeanAblation(InterpretationMethod):
    """KL(untouched ‖ ablated) when a head's z at position j is set to its mean at j over the sequences that reach j.

    Keeps what the head says of the position alone, such as attention that thins out with length. A position that one
    sequence alone reaches is its own mean there.
    """

    version = 1
    smallest_plan = "standard"
    family = "ablation"
    summary = "how much the output distribution moves when the head's z is set to its mean at the same position"
    unit = "nats per token"
    higher_means = "the head matters more"
    source = "Wang et al. 2022, arXiv 2211.00593, section 2.1 (means over positions with one role)"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores()

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        effects = head_effects(model, inputs, mean_per_position(model, inputs, Site.Z))
        return Interpretation(self.name, ("sequence", "head"), model.architecture.heads, effects)
