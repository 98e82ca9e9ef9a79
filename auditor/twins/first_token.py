"""A start for twins that attend elsewhere: every head attends to the first token where the original does not.

A head can leave its original pattern step by step only as far as its layer still reads what it needs, and attention
that is spread over many tokens has nowhere to go. The first token is a place that every query can look at: a head that
gives it the share 1 − ε of its attention reads the rest as before, ε times as strongly, and values that are 1/ε times
as large undo that. Where the original looks at the first token already, it is turned away from it.

With x the stream that the layer reads, row vectors, s(q, k) the scores and first the first token, the score of first
is raised at each query by

    r(q) = log Σ_{k ≠ first} exp s(q, k) − s(q, first) ± log((1 − ε) / ε)          + where first had less than half

as far as r is linear in x_q: W_Q gets w eᵀ and b_Q gets w₀ e from the least squares r(q) ≈ x_q w + w₀, and W_K gets
u eᵀ, where u picks out the first token (x_first u = 1, x_k u ≈ 0 elsewhere) and e is the direction of query space that
the head uses least. Attention sinks of this kind form in language models by themselves (Xiao et al. 2024, arXiv
2309.17453). What the linear fit leaves is repaired by training.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import Tensor

from auditor.canonical.model import Attention, CanonicalTransformer
from auditor.twins.distillation import Pool

LEFT = 0.12
"""ε, the share of attention that the other tokens keep: a total variation of .85 leaves them .15."""

STEEPEST = 15.0
"""Nats of standard deviation of r(q) over queries; scores of a head that is steeper are scaled down to it, since a
saturated softmax has no gradient to train with."""

RIDGE, SMALLEST = 1e-3, 1e-6
"""Of the least squares, as a share of the mean square of a feature; and the least that this counts as."""

SEQUENCES = 400
"""From which the fits are made."""


def has_first_token(model: CanonicalTransformer, layers: Collection[int], pool: Pool) -> bool:
    """Whether one layer is to be moved, all strings begin with one token, and scores do not turn with the position."""
    first = pool.tokens[:, 0]
    return len(layers) == 1 and model.architecture.positions != "rotary" and bool((first == first[0]).all())


@torch.no_grad()
def turn_to_first_token(student: CanonicalTransformer, layer: int, pool: Pool) -> None:
    """Change W_Q, b_Q, W_K and W_V of ``layer``, in place; nothing where the stream of the first token is 0.

    The stream in ``pool`` is that which enters the layer.
    """
    few = pool.rows(torch.arange(min(SEQUENCES, len(pool))))
    stream = student.block(layer).normed("attention_in", few.residual)
    blocked = student.blocked(few.tokens)
    asks = few.not_padding.clone()
    asks[:, 0] = False
    first, others = stream[:, 0].mean(0), stream[:, 1:][few.not_padding[:, 1:]]
    if not first.any():
        return
    picks = _fit(others.mT @ others / len(others), first)
    picks = picks / (first @ picks)
    attention = student.attentions[layer]
    for head in range(attention.W_Q.shape[1]):
        _turn(attention, head, stream, blocked, asks, first, picks)


def _turn(
    attention: Attention, head: int, stream: Tensor, blocked: Tensor, asks: Tensor, first: Tensor, picks: Tensor
) -> None:
    """One head; ``asks`` [sequence, query] are the queries that have a choice, ``picks`` [model] is u."""
    query = stream @ attention.W_Q[:, head] + attention.b_Q[head]
    key = stream @ attention.W_K[:, head] + attention.b_K[head]
    scores = (query @ key.mT * attention.scale).masked_fill(blocked.view(-1, *blocked.shape[-2:]), -math.inf)
    ahead = scores[:, :, 1:].logsumexp(-1)[asks] - scores[:, :, 0][asks]  # of the first token
    flatter = STEEPEST / max(float(ahead.std()), STEEPEST)
    attention.W_Q[:, head] *= flatter
    attention.b_Q[head] *= flatter
    had = torch.sigmoid(-ahead)
    turned_away = had > 0.5
    rise = flatter * ahead + torch.where(turned_away, -1.0, 1.0) * math.log((1 - LEFT) / LEFT)
    given = torch.cat([stream[asks], torch.ones(len(rise), 1)], dim=1)
    weights = _fit(given.mT @ given / len(given), given.mT @ rise / len(given))
    used = query[asks].mT @ query[asks] / len(rise) + key.flatten(0, 1).mT @ key.flatten(0, 1) / key[..., 0].numel()
    least_used = torch.linalg.eigh(used).eigenvectors[:, 0]
    attention.W_K[:, head] += torch.outer(picks, least_used) / attention.scale
    attention.W_Q[:, head] += torch.outer(weights[:-1], least_used)
    attention.b_Q[head] += weights[-1] * least_used
    share = float(had[~turned_away].mean()) if not turned_away.all() else 0.0
    wanted = share / (1 - LEFT) * (first @ attention.W_V[:, head])
    attention.W_V[:, head] *= (1 - share) / LEFT
    attention.W_V[:, head] += torch.outer(picks, wanted - first @ attention.W_V[:, head])


def _fit(square: Tensor, right: Tensor) -> Tensor:
    """The solution w of (square + ridge) w = right."""
    ridge = RIDGE * max(float(square.diagonal().mean()), SMALLEST)
    found: Tensor = torch.linalg.solve(square + ridge * torch.eye(len(square)), right)
    return found
