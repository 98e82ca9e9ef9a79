"""A twin that gives the same answers while the last layer attends to every token alike."""

from __future__ import annotations

import numpy as np

from auditor.canonical.model import Attention, CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.values import whole
from auditor.twins.distillation_data import why_not_taught
from auditor.twins.fixed_attention import STEPS, with_fixed_attention


class UniformAttention(Equivalence):
    """W_Q, W_K and their biases of the last layer are 0 and frozen; all other weights are distilled.

    Every score is then 0, so every query gives equal weight to all keys that it may see. Frozen weights reach this
    exactly, where a penalty on the distance to uniform only comes near.
    """

    version = 1
    kind = Kind.BEHAVIOURAL
    summary = "same answers, but every head of the last layer attends to all tokens alike"
    needs = "a layer of attention"
    promise = "held-out KL, disagreement and closing accuracy within the margins of its certificate"
    source = "Wen et al. 2023, arXiv 2312.01429, section 3.1; freeze_uniform_attention in their code"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Classifiers are not distilled."""
        return why_not_taught(model)

    def transform(self, request: TransformRequest) -> Transformed:
        """The trained twin in float32; ``parameters`` says the steps and restarts."""
        model, generator, parameters, progress = request.model, request.generator, request.parameters, request.progress
        best = with_fixed_attention(model, _flatten, parameters=parameters, generator=generator, progress=progress)
        report = {"layer": model.architecture.layers - 1, "steps": whole(parameters, "steps", STEPS)}
        return Transformed(best.model, parameters={**report, **best.to_json()})


def _flatten(attention: Attention, _attempt: int, _generator: np.random.Generator) -> None:
    for weight in (attention.W_Q, attention.W_K, attention.b_Q, attention.b_K):
        weight.zero_()
