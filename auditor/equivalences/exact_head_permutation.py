"""Reorder the heads of every layer."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind, Relabelling
from auditor.records.theory import Aspect
from auditor.symmetries.orders import reorder_heads


class HeadPermutation(Equivalence):
    """Attention sums over heads, so their order means nothing."""

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.HEAD_ORDER})
    smallest_plan = "quick"
    summary = "reorders the heads of each layer (Q, K, V and O together)"
    needs = "an output map and a layer with at least two heads"
    source = "Ashkboos et al. 2024, arXiv 2401.15024 (computational invariance); sums commute"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """One head per layer has one order; without W_O the order of heads is the order of features."""
        if not model.architecture.output_map:
            return "the model has no output map: the order of its heads is the order of its features"
        if all(block.heads == 1 for block in model.architecture.blocks):
            return "every layer has one head"
        return None

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random order per layer that moves at least one head wherever there are two."""
        model, generator = request.model, request.generator
        twin, moves, orders, first = model.clone(), [], [], 0
        for attention in twin.attentions:
            heads = len(attention.b_Q)
            order = generator.permutation(heads)
            if heads > 1 and (order == np.arange(heads)).all():
                order = np.roll(order, 1)
            reorder_heads(attention, torch.from_numpy(order))
            orders.append([int(i) for i in order])
            moves += [(first + int(old),) for old in order]
            first += heads
        return Transformed(twin, Relabelling({"head": tuple(moves)}), {"orders": orders})
