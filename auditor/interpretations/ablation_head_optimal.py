"""Optimal ablation of a head: replace its output z by the constant that hurts least."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.ablation.optimal import optimal
from auditor.measures.ablation.sweep import head_effects
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class HeadOptimalAblation(InterpretationMethod):
    """KL(untouched ‖ ablated) when a head's z is set to the constant with the smallest mean KL over the sequences.

    At most what the mean costs, and blind to where the value bias puts the zero. The minimum is the one that a search
    from the mean reaches, among the constants that the head's own outputs span. It is fitted on sequences that are
    scored: it has only as many numbers as the head is wide.
    """

    version = 1
    family = "ablation"
    summary = "how much the output distribution moves when the head's z is set to the best constant"
    unit = "nats per token"
    higher_means = "the head matters more"
    source = "Li & Janson 2024, arXiv 2409.09951, section 2"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores()

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        effects = head_effects(model, inputs, optimal(model, inputs))
        return Interpretation(self.name, ("sequence", "head"), model.architecture.heads, effects)
