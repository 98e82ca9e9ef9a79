"""Zero ablation of a head, scored by the logit difference between closing brackets."""

from __future__ import annotations

from typing import ClassVar

from auditor.measures.ablation.method import HeadAblation
from auditor.measures.expectations import HEAD_SCORES
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence


class HeadZeroAblationLogitDifference(HeadAblation):
    """How far the right closing bracket's lead falls when a head's z is set to zero, mean over decisions.

    The lead is the logit of the closing bracket that matches minus the mean logit of the others.
    Depends on where the value bias puts the zero, but not without bound: once a shifted head drowns the rest, what is
    lost is the whole lead and no more.
    """

    version = 1
    smallest_plan = "standard"
    summary = "how much lead the right closing bracket loses when the head's output z is set to zero"
    source = "Michel et al. 2019, arXiv 1905.10650, section 3"
    substitute = "zero"
    effect = "logit_difference"
    depends_on: ClassVar[Dependence] = {**HEAD_SCORES, Aspect.VALUE_ZERO: Expected.CHANGES}
