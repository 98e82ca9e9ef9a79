"""The score as a game: which tokens, heads or neurons take part, and what replaces those that do not.

A game is a function of ``presence`` [rows, feature], 1 for what is as it was and 0 for what is replaced, and of ``row``
(:class:`~auditor.measures.attribution.score.Explained`). An absent token is a blank one; an absent head or neuron puts
out its mean over all tokens but padding, which no shift of its zero can touch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.attribution.memory import tokens_at_once
from auditor.measures.attribution.score import Explained, explained

Game = Callable[[Tensor, Tensor], Tensor]


def token_game(batch: Explained) -> Game:
    """Players are positions: presence [rows, position]."""
    vectors, blank = batch.vectors, batch.blank_vectors

    def play(presence: Tensor, row: Tensor) -> Tensor:
        share = presence[:, :, None]
        return batch.of_vectors(share * vectors[row] + (1 - share) * blank[row], row)

    return play


def component_game(batch: Explained, site: Site, means: tuple[Tensor, ...]) -> Game:
    """Players are the heads (site Z) or neurons (site NEURON) of all layers in flat order."""
    sizes = [len(mean) for mean in means]

    def play(presence: Tensor, row: Tensor) -> Tensor:
        by_layer = torch.split(presence, sizes, dim=1)

        def hook(at: Site, layer: int, value: Tensor) -> Tensor:
            if at is not site:
                return value
            share: Tensor = by_layer[layer].view(len(row), 1, -1, *[1] * (value.dim() - 3))
            return share * value + (1 - share) * means[layer]

        return batch.of_tokens(batch.tokens[row], row, hook)

    return play


def numbering(
    model: CanonicalTransformer, seen: InputBatch, site: Site, means: tuple[Tensor, ...]
) -> NDArray[np.int64]:
    """Players of a component game, sorted by the mean slope of the score in their presence when all are there.

    Sets or orders of players that are drawn over this numbering are the same whatever the model's own numbers are: the
    slope is a fact of the function and of its parts, and moves with them.
    """
    total = torch.zeros(sum(len(mean) for mean in means), dtype=torch.float64)
    for _, part in seen.batches(tokens=tokens_at_once(model, seen.tokens.shape[1], 1)):
        batch = explained(model, part)
        with torch.enable_grad():
            presence = torch.ones(len(part), len(total), dtype=model.dtype, requires_grad=True)
            score = component_game(batch, site, means)(presence, batch.row).sum()
        total += torch.autograd.grad(score, presence)[0].sum(0)
    return total.argsort(stable=True).numpy()


@torch.no_grad()
def mean_activations(model: CanonicalTransformer, seen: InputBatch, site: Site) -> tuple[Tensor, ...]:
    """Mean over all tokens of the inputs, per layer: [head, value_width] at Z, [neuron] at NEURON."""
    totals: list[Tensor] = []
    for _, part in seen.batches():
        _, cache = run_with_cache(model, part.tokens, sites=(site,))
        sums = [cache[site, layer][part.not_padding].sum(0) for layer in range(model.architecture.layers)]
        totals = [total + new for total, new in zip(totals, sums, strict=True)] if totals else sums
    return tuple(total / seen.not_padding.sum() for total in totals)
