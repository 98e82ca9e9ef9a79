"""Path patching, head → head: one number per sender and receiver."""

from __future__ import annotations

from typing import ClassVar

from auditor.contracts import Request
from auditor.measures.expectations import HEAD_SCORES
from auditor.measures.patching.method import PathPatchingMethod
from auditor.measures.patching.paths import head_to_head_effects, no_later_head, to_later_heads
from auditor.measures.patching.runs import shared_pairs
from auditor.records import Expected, Interpretation
from auditor.records.axes import TO_HEAD
from auditor.records.theory import Aspect, Dependence

MAX_SEQUENCES = 64
"""Sequences patched: the work grows with the square of the heads."""


class HeadToHeadPatching(PathPatchingMethod):
    """Margin of the clean type that is lost when a head's corrupt z reaches one later head alone.

    Scores of a sender are laid out by receiver; 0 where the receiver is in no later layer.
    """

    version = 1
    summary = "margin lost when a head's corrupt output reaches one later head directly, for each pair"
    claims = ("pattern", "rank")
    distance = "frobenius"
    second_axis = TO_HEAD
    depends_on: ClassVar[Dependence] = {**HEAD_SCORES, Aspect.HEAD_SHARES: Expected.CHANGES}
    path = staticmethod(to_later_heads)
    no_path = staticmethod(no_later_head)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head, to_head]."""
        effects = head_to_head_effects(shared_pairs(request, most=MAX_SEQUENCES))
        return Interpretation(self.name, ("sequence", "head", "to_head"), request.model.architecture.heads, effects)
