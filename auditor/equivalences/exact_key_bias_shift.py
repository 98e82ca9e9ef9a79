"""Move the zero of a head's keys: b_K → b_K + c."""

from __future__ import annotations

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.theory import Aspect

SIZE = 3.0
"""Length of the shift per feature, in root mean squares of a key made from a normed input."""

FLOOR = 0.1
"""Length per feature where all keys are zero."""


class KeyBiasShift(Equivalence):
    """Adds q·c to every score of a query's row, which softmax ignores: the number is the same in the whole row.

    Rotary positions turn c with the key, so that it is not; c is then 0 but in the features that are not turned.
    """

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.KEY_ZERO})
    smallest_plan = "quick"
    summary = "adds a constant to each head's keys"
    needs = "features of the keys that no rotary position turns"
    source = "Namazifar et al. 2023, arXiv 2302.08626 (the key bias is redundant)"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Some feature of a key must be left alone by rotary positions."""
        turned = model.architecture.rotary_width or 0
        if all(block.query_width == turned for block in model.architecture.blocks):
            return "rotary positions turn every feature of a key, so a constant added to it does not stay one"
        return None

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random c per head, a few times as long as its keys."""
        model, generator = request.model, request.generator
        twin = model.clone()
        for attention in twin.attentions:
            size = attention.W_K.square().sum(0).mean(-1).sqrt().clamp_min(FLOOR)  # [head]
            direction = torch.from_numpy(generator.normal(size=tuple(attention.b_K.shape))).to(attention.b_K)
            direction[:, : model.architecture.rotary_width or 0] = 0.0
            attention.b_K.add_(SIZE * size[:, None] * direction)
        return Transformed(twin)
