"""A twin that gives the same answers while the last layer attends elsewhere."""

from __future__ import annotations

from auditor.canonical.architecture import Architecture
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.twins.divergence import CLASSIFIER, LAST_LAYER, ONLY_LAYER, DivergenceTarget, attend_elsewhere


class AdversarialAttention(Equivalence):
    """Distil the last layer and what follows it, with a penalty on every head that attends like the original's.

    What earlier layers compute is unchanged, so only the last layer's share of the model has to make up for it.
    """

    version = 8
    kind = Kind.BEHAVIOURAL
    smallest_plan = "quick"
    summary = "same answers, but every head of the last layer attends elsewhere"
    needs = "a layer of attention"
    source = "after Wen et al. 2023, arXiv 2312.01429, section 4; Wiegreffe & Pinter 2019, arXiv 1908.04626, section 4"

    def transform(self, request: TransformRequest) -> Transformed:
        """The trained twin in float32; ``parameters["steps"]`` and ``["restarts"]`` set the budget."""
        architecture = request.model.architecture
        twin, found = attend_elsewhere(request, (architecture.layers - 1,), _wanted(architecture))
        return Transformed(twin, parameters={"layer": architecture.layers - 1, **found})


def _wanted(architecture: Architecture) -> DivergenceTarget:
    if architecture.layers == 1:
        return ONLY_LAYER
    return CLASSIFIER if architecture.is_classifier else LAST_LAYER
