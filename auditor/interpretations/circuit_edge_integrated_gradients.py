"""Edge attribution patching with integrated gradients: slopes averaged between the corrupt and the clean input."""

from __future__ import annotations

from auditor.contracts import Request
from auditor.measures.edges.circuit import EdgeRuns
from auditor.measures.edges.method import Array, EdgeMethod, integrated


class IntegratedEdgeAttribution(EdgeMethod):
    """Edge attribution with slopes averaged over the inputs between the corrupt and the clean one.

    The edges of the embedding sum to the whole margin; the numerical error is the mean miss of that.
    """

    version = 1
    summary = "edge attribution with the slopes averaged along the line from the corrupt to the clean input"
    source = "Hanna et al. 2024, arXiv 2403.17806, section 3 (EAP-IG)"

    def scores(self, request: Request, runs: EdgeRuns) -> tuple[Array, float | None]:
        """[sequence, edge], and the error of the quadrature."""
        return integrated(request, runs)
