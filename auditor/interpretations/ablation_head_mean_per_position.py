"""Mean ablation of a head, position by position."""

from __future__ import annotations

from auditor.measures.ablation.method import HeadAblation


class HeadPositionMeanAblation(HeadAblation):
    """KL(untouched ‖ ablated) when a head's z at position j is set to its mean at j over the sequences that reach j.

    Keeps the part of the head's output that depends on the position alone, such as attention that thins out with
    length. Where only one sequence reaches a position, the mean is that sequence's own z.
    """

    version = 1
    smallest_plan = "standard"
    summary = "how much the output distribution moves when the head's z is set to its mean at the same position"
    source = "Wang et al. 2022, arXiv 2211.00593, section 2.1 (means over positions with one role)"
    substitute = "mean_per_position"
