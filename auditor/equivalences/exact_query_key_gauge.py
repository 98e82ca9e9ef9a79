"""Change the basis in which queries and keys meet."""

from __future__ import annotations

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.symmetries.gauges import random_invertible


class QueryKeyGauge(Equivalence):
    """W_Q → W_Q A, b_Q → b_Q A, W_K → W_K A⁻ᵀ, b_K → b_K A⁻ᵀ: every score q kᵀ stays."""

    version = 1
    kind = Kind.EXACT
    smallest_plan = "quick"
    summary = "rewrites queries and keys of each head in another basis"
    needs = "no rotary positions (no canonical model has them)"
    promise = "max|Δlogit| ≤ 1e-9 in float64"
    source = "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits, QK circuits"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Applies to every canonical model."""
        del model
        return None

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random A ∈ GL(d_k) per head, well conditioned."""
        model, generator = request.model, request.generator
        twin = model.clone()
        for attention in twin.attentions:
            for head in range(attention.b_Q.shape[0]):
                gauge = random_invertible(attention.b_Q.shape[1], generator, dtype=model.dtype)
                attention.W_Q[:, head] = attention.W_Q[:, head] @ gauge.matrix
                attention.b_Q[head] = attention.b_Q[head] @ gauge.matrix
                attention.W_K[:, head] = attention.W_K[:, head] @ gauge.inverse.T
                attention.b_K[head] = attention.b_K[head] @ gauge.inverse.T
        return Transformed(twin)
