"""A twin that gives the same answers while every layer attends elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auditor.behaviour.evidence import Evidence
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Progress, Transformed, silent
from auditor.records import Json, Kind
from auditor.training.divergence import attend_elsewhere
from auditor.training.lessons import why_not_taught

TARGET = 0.75
"""Total variation to reach. The first layer cannot reach much more: next to START a query has few keys to go to."""


class AdversarialAttentionAllLayers(Equivalence):
    """Distil all layers, with a penalty on every head of every layer that attends like the original's.

    It asks more than the last layer alone, and takes about twice as long.
    """

    version = 1
    kind = Kind.BEHAVIOURAL
    smallest_plan = "full"
    summary = "same answers, but every head of every layer attends elsewhere"
    needs = "two layers of attention"
    promise = "held-out KL, disagreement and closing accuracy within the margins of its certificate"
    source = "Wen et al. 2023, arXiv 2312.01429, section 4; Wiegreffe & Pinter 2019, arXiv 1908.04626, section 4"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Of one layer the last is all."""
        if model.architecture.layers == 1:
            return "the model has one layer: behavioural_adversarial_attention moves it"
        return why_not_taught(model)

    def transform(
        self,
        model: CanonicalTransformer,
        evidence: Evidence,
        generator: np.random.Generator,
        *,
        parameters: Mapping[str, Json],
        progress: Progress = silent,
    ) -> Transformed:
        """The trained twin in float32; ``parameters["steps"]`` and ``["restarts"]`` set the effort."""
        del evidence
        layers = tuple(range(model.architecture.layers))
        twin, found = attend_elsewhere(
            model, layers, parameters=parameters, generator=generator, progress=progress, target=TARGET
        )
        return Transformed(twin, parameters={"layers": list(layers), **found})
