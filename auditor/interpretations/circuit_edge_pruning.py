"""Circuit discovery by pruning: edge by edge, what the margin can do without is cut for good."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request
from auditor.measures.edges.circuit import EdgeRuns
from auditor.measures.edges.method import OTHER_HEADS, Array, EdgeMethod, pruned, too_many_edges
from auditor.measures.edges.pruning import THRESHOLD
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence


class EdgePruning(EdgeMethod):
    """What cutting an edge cost when it was tried, after those cut before it, as a share of the whole margin.

    From the logits to the input; edges that cost less than a fiftieth are cut for good, the others are the circuit.
    """

    version = 1
    smallest_plan = "standard"
    summary = "share of the margin that cutting the edge cost when it was tried, from the logits to the input"
    source = "Conmy et al. 2023, arXiv 2304.14997, algorithm 1 (ACDC), with the margin in place of the KL"
    unit = "share of the margin"
    claims = ("value", "rank", "predicate")
    predicates: ClassVar[Mapping[str, float]] = {"in the circuit": THRESHOLD}
    depends_on: ClassVar[Dependence] = {
        Aspect.HEAD_ORDER: Expected.RELABELLED,
        Aspect.HEAD_COUNT: OTHER_HEADS,
        Aspect.HEAD_SHARES: OTHER_HEADS,
        Aspect.HEAD_SURPLUS: OTHER_HEADS,
    }

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs few enough edges to try."""
        return super().not_applicable(model) or too_many_edges(model)

    def scores(self, request: Request, runs: EdgeRuns) -> tuple[Array, float | None]:
        """[sequence, edge]; every cost is that of a run."""
        return pruned(request, runs)[0], None
