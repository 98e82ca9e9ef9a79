"""A twin that gives the same answers while every layer attends elsewhere."""

from __future__ import annotations

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.twins.divergence import DivergenceTarget, attend_elsewhere

WANTED = DivergenceTarget(aim=0.57, first=0.6, weight=0.1)
"""Low, for the first layer: near START a query has few keys to choose from, and all later layers read its output."""


class AdversarialAttentionAllLayers(Equivalence):
    """Distil all layers, with a penalty on every head of every layer that attends like the original's.

    Its target per head is lower than that of the twin of the last layer, and it takes about twice as long. For models
    with one head a layer it seldom passes.
    """

    version = 7
    kind = Kind.BEHAVIOURAL
    smallest_plan = "full"
    summary = "same answers, but every head of every layer attends elsewhere"
    needs = "two layers of attention"
    source = "Wen et al. 2023, arXiv 2312.01429, section 4; Wiegreffe & Pinter 2019, arXiv 1908.04626, section 4"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """With one layer the twin of the last layer is the same."""
        if model.architecture.layers == 1:
            return "the model has one layer: behavioural_adversarial_attention moves it"
        return None

    def transform(self, request: TransformRequest) -> Transformed:
        """The trained twin in float32; ``parameters["steps"]`` and ``["restarts"]`` set the budget."""
        layers = tuple(range(request.model.architecture.layers))
        twin, found = attend_elsewhere(request, layers, WANTED)
        return Transformed(twin, parameters={"layers": list(layers), **found})
