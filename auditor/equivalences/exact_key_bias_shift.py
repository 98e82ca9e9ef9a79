"""Move the zero of a head's keys: b_K → b_K + c."""

from __future__ import annotations

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind

SIZE = 3.0
"""Length of the shift per feature, in root mean squares of a key made from a normed input."""

FLOOR = 0.1
"""Length per feature where all keys are zero."""


class KeyBiasShift(Equivalence):
    """Adds q·c to every score of a query's row, which softmax ignores: the number is the same in the whole row."""

    version = 1
    kind = Kind.EXACT
    smallest_plan = "quick"
    summary = "adds a constant to each head's keys"
    needs = "no rotary positions (no canonical model has them)"
    promise = "max|Δlogit| ≤ 1e-9 in float64"
    source = "Namazifar et al. 2023, arXiv 2302.08626 (the key bias is redundant)"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Applies to every canonical model."""
        del model
        return None

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random c per head, a few times as long as its keys."""
        model, generator = request.model, request.generator
        twin = model.clone()
        for attention in twin.attentions:
            size = attention.W_K.square().sum(0).mean(-1).sqrt().clamp_min(FLOOR)  # [head]
            direction = torch.from_numpy(generator.normal(size=tuple(attention.b_K.shape))).to(attention.b_K)
            attention.b_K.add_(SIZE * size[:, None] * direction)
        return Transformed(twin)
