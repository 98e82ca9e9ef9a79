"""Mean ablation of a head: replace its output z by its mean."""

from __future__ import annotations

from auditor.measures.ablation.method import HeadAblation


class HeadMeanAblation(HeadAblation):
    """KL(untouched ‖ ablated) when a head's z is set to its mean over all positions of the inputs.

    Equals zero ablation in the canonical gauge where E[z] = 0.
    """

    version = 1
    smallest_plan = "quick"
    summary = "how much the output distribution moves when the head's output z is set to its mean"
    source = "Wang et al. 2022, arXiv 2211.00593, section 2.1"
    substitute = "mean"
