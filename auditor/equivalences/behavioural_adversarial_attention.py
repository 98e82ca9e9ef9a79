"""A twin that gives the same answers while the last layer attends elsewhere."""

from __future__ import annotations

from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.twins.divergence import LAST_LAYER, ONLY_LAYER, attend_elsewhere


class AdversarialAttention(Equivalence):
    """Distil the last layer and what follows it, with a penalty on every head that attends like the original's.

    What earlier layers compute is unchanged, so only the last layer's share of the model has to make up for it.
    """

    version = 3
    kind = Kind.BEHAVIOURAL
    smallest_plan = "quick"
    summary = "same answers, but every head of the last layer attends elsewhere"
    needs = "a layer of attention"
    source = "after Wen et al. 2023, arXiv 2312.01429, section 4; Wiegreffe & Pinter 2019, arXiv 1908.04626, section 4"

    def transform(self, request: TransformRequest) -> Transformed:
        """The trained twin in float32; ``parameters["steps"]`` and ``["restarts"]`` set the budget."""
        layer = request.model.architecture.layers - 1
        twin, found = attend_elsewhere(request, (layer,), LAST_LAYER if layer else ONLY_LAYER)
        return Transformed(twin, parameters={"layer": layer, **found})
