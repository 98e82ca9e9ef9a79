"""Balance violation as the published code computes it."""

from __future__ import annotations

from auditor.measures.balance import BalanceViolation


class PublishedBalanceViolation(BalanceViolation):
    """As ``balance_violation_matched``, but with the n-th closing bracket of a type taken for the one of depth n.

    Closing brackets come innermost first, so this pairs depth d with depth D + 1 − d; for comparison with the paper.
    """

    version = 1
    summary = "the published balance number, which pairs depth d with depth D + 1 − d"
    source = "Wen et al. 2023, arXiv 2312.01429, section 4.2 and its code"
    as_published = True
