"""Balance violation: how far matched brackets are from cancelling."""

from __future__ import annotations

from auditor.measures.balance import BalanceViolation


class MatchedBalanceViolation(BalanceViolation):
    """Longest sum of a matched pair over the shortest sum that the answer rests on, mean over closing-bracket queries.

    Each opening bracket is paired with the closing bracket of its own depth.
    """

    version = 1
    summary = "how far matched brackets are from cancelling in what the head writes"
    source = "Wen et al. 2023, arXiv 2312.01429, section 4.2, with matched pairs"
    as_published = False
