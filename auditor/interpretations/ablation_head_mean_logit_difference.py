"""Mean ablation of a head, scored by the logit difference between closing brackets."""

from __future__ import annotations

from auditor.measures.ablation.method import HeadAblation


class HeadMeanAblationLogitDifference(HeadAblation):
    """How far the right closing bracket's lead falls when a head's z is set to its mean, mean over decisions.

    The lead is the logit of the closing bracket that matches minus the mean logit of the others.
    """

    version = 1
    smallest_plan = "standard"
    summary = "how much lead the right closing bracket loses when the head's output z is set to its mean"
    source = "Wang et al. 2022, arXiv 2211.00593, sections 2.1 and 3"
    substitute = "mean"
    effect = "logit_difference"
