"""Change the basis in which a head carries its values."""

from __future__ import annotations

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.theory import Aspect
from auditor.symmetries.gauges import random_invertible


class ValueOutputGauge(Equivalence):
    """W_V → W_V B, b_V → b_V B, W_O → B⁻¹ W_O: what the head writes, z W_O, stays."""

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.VALUE_BASIS})
    smallest_plan = "quick"
    summary = "rewrites each head's values in another basis and undoes it in the output map"
    needs = "an output map"
    source = "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits, OV circuits"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Without W_O the values are the output."""
        return None if model.architecture.output_map else "the model has no output map to undo the change of basis"

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random B ∈ GL(d_v) per head, well conditioned."""
        model, generator = request.model, request.generator
        twin = model.clone()
        for attention in twin.attentions:
            W_O, _ = attention.output
            for head in range(attention.b_V.shape[0]):
                gauge = random_invertible(attention.b_V.shape[1], generator, dtype=model.dtype)
                attention.W_V[:, head] = attention.W_V[:, head] @ gauge.matrix
                attention.b_V[head] = attention.b_V[head] @ gauge.matrix
                W_O[head] = gauge.inverse @ W_O[head]
        return Transformed(twin)
