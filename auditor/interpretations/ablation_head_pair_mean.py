"""Mean ablation of pairs of heads: redundancy and backup."""

from __future__ import annotations

from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.ablation.pairs import pair_excess
from auditor.measures.expectations import HEAD_SCORES
from auditor.records import Expected, Interpretation
from auditor.records.axes import WITH_HEAD
from auditor.records.theory import Aspect, Dependence


class HeadPairMeanAblation(InterpretationMethod):
    """KL(untouched ‖ both heads at their mean) minus that of each head alone, mean over the scored outputs.

    Positive: either can do the work of the other, or each backs the other up. Negative: they do it together, so that
    one without the other is as bad as neither.
    """

    version = 1
    family = "ablation"
    summary = "what setting two heads to their mean costs beyond the sum of both alone"
    unit = "nats per token"
    higher_means = "the two heads stand in for each other"
    source = "Wang et al. 2022, arXiv 2211.00593, section 3.3 (backup heads); McGrath et al. 2023, arXiv 2307.15771"
    claims = ("pattern", "rank")
    distance = "frobenius"
    second_axis = WITH_HEAD
    takes_conditions = True
    depends_on: ClassVar[Dependence] = {**HEAD_SCORES, Aspect.HEAD_SHARES: Expected.CHANGES}

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs two heads."""
        return None if len(model.architecture.heads) > 1 else "with one head there is no pair"

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head, with_head]."""
        heads = request.model.architecture.heads
        return Interpretation(self.name, ("sequence", "head", "with_head"), heads, pair_excess(request))
