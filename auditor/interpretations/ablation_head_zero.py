"""Zero ablation of a head: replace its output z by 0."""

from __future__ import annotations

from typing import ClassVar

from auditor.measures.ablation.method import HeadAblation
from auditor.measures.expectations import HEAD_SCORES
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence


class HeadZeroAblation(HeadAblation):
    """KL(untouched ‖ ablated) when a head's z is set to zero, mean over the scored outputs of a sequence.

    Depends on where the value bias puts the zero: a value-bias shift moves it at will (Wen et al. 2023; Li & Janson
    2024).
    """

    version = 1
    smallest_plan = "quick"
    summary = "how much the output distribution moves when the head's output z is set to zero"
    source = "Michel et al. 2019, arXiv 1905.10650, section 3"
    depends_on: ClassVar[Dependence] = {**HEAD_SCORES, Aspect.VALUE_ZERO: Expected.FREE}
    substitute = "zero"
