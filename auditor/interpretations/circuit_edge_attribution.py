"""Edge attribution patching: every edge between parts at once, to first order."""

from __future__ import annotations

from auditor.contracts import Request
from auditor.measures.edges.circuit import EdgeRuns
from auditor.measures.edges.method import Array, EdgeMethod, attributed


class EdgeAttribution(EdgeMethod):
    """(clean write − corrupt write) · ∂ margin / ∂ what the reader reads, at the clean input, summed over positions.

    What the margin of the clean bracket type loses, to first order, when this edge alone carries its corrupt write.
    """

    version = 1
    summary = "what the margin loses, to first order, when one edge carries the write of the corrupt input"
    source = "Syed et al. 2023, arXiv 2310.10348, section 3; Nanda 2023, Attribution Patching"

    def scores(self, request: Request, runs: EdgeRuns) -> tuple[Array, float | None]:
        """[sequence, edge]; exact as a gradient."""
        return attributed(request, runs), None
