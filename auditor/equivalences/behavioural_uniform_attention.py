"""A twin that gives the same answers while the last layer attends to every token alike."""

from __future__ import annotations

import numpy as np

from auditor.canonical.model import Attention
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.twins.fixed_attention import with_fixed_attention


class UniformAttention(Equivalence):
    """W_Q, W_K and their biases of the last layer are 0 and frozen; all other weights are distilled.

    Every score is then 0, so every query gives equal weight to all keys that it may see. Frozen weights reach this
    exactly, where a penalty on the distance to uniform only comes near.
    """

    version = 5
    kind = Kind.BEHAVIOURAL
    summary = "same answers, but every head of the last layer attends to all tokens alike"
    needs = "a layer of attention"
    source = "Wen et al. 2023, arXiv 2312.01429, section 3.1; freeze_uniform_attention in their code"

    def transform(self, request: TransformRequest) -> Transformed:
        """The trained twin in float32; ``parameters`` says the steps and restarts."""
        best, _ = with_fixed_attention(request, _flatten)
        return Transformed(best.model, parameters={"layer": best.model.architecture.layers - 1, **best.to_json()})


def _flatten(attention: Attention, _start: int, _generator: np.random.Generator) -> None:
    for weight in (attention.W_Q, attention.W_K, attention.b_Q, attention.b_K):
        weight.zero_()
