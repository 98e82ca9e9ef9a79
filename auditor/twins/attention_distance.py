"""How far attention moved, as total variation, and the penalty that moves it.

The total variation of a head is the mean, over the queries that have a choice, of the distance ½ Σ_key |A − A′| between
the copy's attention row and the original's. A copy learns mostly from long strings (see ``distillation_data``), in
which a query near the end counts as often as one near the start; the penalty therefore weights queries by the share of
the language's own strings that reach them.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.architecture import Architecture
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.twins.distillation import Penalty

COUNTED = 4_000
"""Strings from which the share that reaches a position is counted."""


@torch.no_grad()
def total_variation(
    original: CanonicalTransformer, twin: CanonicalTransformer, inputs: InputBatch, layers: Collection[int]
) -> Tensor:
    """Mean total variation of each head of some layers, [head], layer by layer.

    Of a classifier that is read at one position, the smaller of two means: over all queries, and over the one read.
    """
    totals: list[Tensor] = []
    for _, part in inputs.batches():
        ours, theirs = (run_with_cache(model, part.tokens, sites=(Site.PATTERN,))[1] for model in (twin, original))
        found = []
        for counted in views(part.not_padding, original.architecture):
            rows = [_variation(ours[Site.PATTERN, n], theirs[Site.PATTERN, n], counted) for n in sorted(layers)]
            found.append(torch.cat([torch.cat(rows) * counted.sum(), counted.sum()[None].to(rows[0])]))
        totals.append(torch.stack(found))
    total = torch.stack(totals).sum(0)  # [view, heads and the count behind them]
    return (total[:, :-1] / total[:, -1:]).min(0).values


def views(not_padding: Tensor, architecture: Architecture) -> list[Tensor]:
    """Weights of queries by which total variation is averaged, each [batch, query]: all, and that which is read.

    The first query of a causal model has no choice and is left out.
    """
    every = not_padding.float()
    if architecture.causal:
        every[:, 0] = 0
    read_out, position = architecture.read_out, torch.arange(not_padding.shape[1])
    if read_out == "last":
        return [every, (position == (not_padding * position).amax(1, keepdim=True)).float()]
    if isinstance(read_out, int):
        return [every, (position == read_out % not_padding.shape[1]).float().expand_as(every)]
    return [every]


def _variation(ours: Tensor, theirs: Tensor, counted: Tensor) -> Tensor:
    """Mean total variation of each head, [head], from patterns [batch, head, query, key] and weights [batch, query]."""
    variation = 0.5 * (ours - theirs).abs().sum(-1)
    return (variation * counted[:, None]).sum((0, 2)) / counted.sum()


def shortfall(target: float, reach: Tensor, architecture: Architecture) -> Penalty:
    """Σ_heads max(0, target − total variation); strings longer than the language's own count all queries alike.

    A classifier that is read at one position pays for this query and for all of them.
    """

    def penalty(ours: Tensor, theirs: Tensor, not_padding: Tensor) -> Tensor:
        counted = views(not_padding, architecture)
        if not_padding.shape[1] <= len(reach):
            counted = [one * reach[: not_padding.shape[1]] for one in counted]
        return torch.stack([(target - _variation(ours, theirs, one)).clamp_min(0).sum() for one in counted]).sum()

    return penalty


def reach_of(model: CanonicalTransformer, generator: np.random.Generator) -> Tensor:
    """Share of the language's own strings that have an input at each position, [position]."""
    return torch.from_numpy(model.task.draw(COUNTED, generator).input_mask.mean(axis=0)).float()
