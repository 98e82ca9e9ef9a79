"""Ablating two heads at once: what that costs beyond the sum of both alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Request
from auditor.measures.ablation.effects import EFFECTS
from auditor.measures.ablation.substitutes import mean
from auditor.measures.ablation.sweep import Reading
from auditor.measures.untouched import Piece, untouched
from auditor.records import Component

MAX_SEQUENCES = 64
"""Sequences ablated: the work grows with the square of the heads."""


@torch.no_grad()
def pair_excess(request: Request) -> NDArray[np.float64]:
    """KL(untouched ‖ both at their mean) − that of each alone, nats, mean over outputs, [sequence, head, with_head].

    Symmetric; 0 for a head with itself. Sequences without a scored output are left out.
    """
    run, heads, effect = untouched(request, most=MAX_SEQUENCES), request.model.architecture.heads, EFFECTS["kl"]
    means = mean(run, Site.Z)(torch.arange(0), 0)
    found = np.zeros((len(run.inputs), len(heads), len(heads)))
    for piece in run.pieces():
        where = effect.outputs(request.model, piece.part)
        reading, rows = Reading.of(piece.part, where, effect), piece.rows.numpy()
        found[rows] = pair_effects(request.model, piece, reading, where, means, heads).numpy()
    kept: NDArray[np.bool_] = effect.outputs(request.model, run.inputs).any(1).numpy()
    return found[kept]


def pair_effects(
    model: CanonicalTransformer,
    piece: Piece,
    reading: Reading,
    where: Tensor,
    means: Sequence[Tensor],
    firsts: Sequence[Component],
) -> Tensor:
    """The excess of each of ``firsts`` with each head of the model on sequences that run together, [sequence, first,
    with_head]; ``means`` are those of z per layer, [head, d_v]."""
    heads = model.architecture.heads
    alone = {head: _lost(model, piece, reading, where, means, (head,)) for head in heads}
    pairs = {frozenset((first, second)) for first in firsts for second in heads if first != second}
    excess = {
        pair: _lost(model, piece, reading, where, means, pair) - torch.stack([alone[one] for one in pair]).sum(0)
        for pair in pairs
    }
    nothing = torch.zeros_like(alone[heads[0]])
    rows = [torch.stack([excess.get(frozenset((first, second)), nothing) for second in heads], 1) for first in firsts]
    return torch.stack(rows, 1)


def _lost(
    model: CanonicalTransformer,
    piece: Piece,
    reading: Reading,
    where: Tensor,
    means: Sequence[Tensor],
    heads: Collection[Component],
) -> Tensor:
    """Mean KL of each sequence with the z of these heads at its mean, [sequence]."""
    is_classifier = model.architecture.is_classifier

    def hook(site: Site, layer: int, value: Tensor) -> Tensor:
        ablated = [head.head for head in heads if head.layer == layer]
        if site is not Site.Z or not ablated:
            return value
        edited = value.clone()
        edited[:, :, ablated] = means[layer][ablated].to(value)
        return edited

    first = min(head.layer for head in heads)
    logits = model.run_from(piece.cache[Site.RESIDUAL, first], piece.part.tokens, first, hook)
    before, after = (piece.logits, logits) if is_classifier else (piece.logits[where], logits[where])
    return reading.per_sequence(before, after[None])[0]
