"""Optimal ablation of a head: replace its output z by the constant with the smallest effect."""

from __future__ import annotations

from auditor.measures.ablation.method import HeadAblation


class HeadOptimalAblation(HeadAblation):
    """KL(untouched ‖ ablated) when a head's z is set to the constant with the smallest mean KL over the sequences.

    At most what the mean costs, and blind to where the value bias puts the zero. The minimum is the one that a search
    from the mean reaches, among the constants that the head's own outputs span. It is fitted on sequences that are
    scored: it has only as many numbers as the head is wide.
    """

    version = 1
    summary = "how much the output distribution moves when the head's z is set to the best constant"
    source = "Li & Janson 2024, arXiv 2409.09951, section 2"
    share = 8  # a search for each variant
    substitute = "optimal"
