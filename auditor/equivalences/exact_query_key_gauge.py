"""Change the basis in which queries and keys meet."""

from __future__ import annotations

import torch

from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.theory import Aspect
from auditor.symmetries.gauges import random_commuting, random_invertible


class QueryKeyGauge(Equivalence):
    """W_Q → W_Q A, b_Q → b_Q A, W_K → W_K A⁻ᵀ, b_K → b_K A⁻ᵀ: every score q kᵀ stays.

    With rotary positions R a score is (q R_i)(k R_j)ᵀ, so A must commute with every R: it scales and turns each pair of
    features by itself, and mixes only features that are not turned.
    """

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.QUERY_KEY_BASIS})
    smallest_plan = "quick"
    summary = "rewrites queries and keys of each head in another basis"
    needs = "nothing; with rotary positions the bases are those that commute with them"
    source = "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits, QK circuits"

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random A ∈ GL(d_k) per head, or one that commutes with rotary positions; well conditioned."""
        model, generator = request.model, request.generator
        twin = model.clone()
        for attention in twin.attentions:
            heads, width = attention.b_Q.shape
            for head in range(heads):
                if attention.rotary is None:
                    gauge = random_invertible(width, generator, dtype=model.dtype)
                else:
                    gauge = random_commuting(width, attention.rotary, generator, dtype=model.dtype)
                attention.W_Q[:, head] = attention.W_Q[:, head] @ gauge.matrix
                attention.b_Q[head] = attention.b_Q[head] @ gauge.matrix
                attention.W_K[:, head] = attention.W_K[:, head] @ gauge.inverse.T
                attention.b_K[head] = attention.b_K[head] @ gauge.inverse.T
        return Transformed(twin)
