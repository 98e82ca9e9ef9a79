"""Change the basis in which queries and keys meet."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Progress, Transformed, silent
from auditor.records import Json, Kind
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
    def transform(
        self,
        model: CanonicalTransformer,
        inputs: InputBatch,
        generator: np.random.Generator,
        *,
        parameters: Mapping[str, Json],
        progress: Progress = silent,
    ) -> Transformed:
        """A random A ∈ GL(d_k) per head, well conditioned."""
        del inputs, parameters, progress
        twin = model.clone()
        for attention in twin.attentions:
            for head in range(attention.b_Q.shape[0]):
                gauge = random_invertible(attention.b_Q.shape[1], generator, dtype=model.dtype)
                attention.W_Q[:, head] = attention.W_Q[:, head] @ gauge.matrix
                attention.b_Q[head] = attention.b_Q[head] @ gauge.matrix
                attention.W_K[:, head] = attention.W_K[:, head] @ gauge.inverse.T
                attention.b_K[head] = attention.b_K[head] @ gauge.inverse.T
        return Transformed(twin)
