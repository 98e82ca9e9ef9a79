"""The best matching of the heads and neurons of two models, within each layer.

For models whose components do not correspond by number, say two that were trained from different seeds. The matching is
an optimal assignment (Kuhn 1955; ``scipy.optimize.linear_sum_assignment``) of similarities:

    neurons  the correlation of activations over tokens (Li et al. 2016, arXiv 1511.07543, section 3)
    heads    ½ (1 − mean total variation of attention rows) + ½ the correlation of ‖write − mean write‖ over tokens

None of them depends on the basis of the residual stream, on the gauges of a head or on the scale of a ReLU neuron.
Match on other sequences than those on which the matched models are compared: a matching that is fitted to the
same scores makes them look too similar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import Cache, run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.records import NOT_WRITTEN, Record, Relabelling
from auditor.records.axes import HEAD, NEURON

SEQUENCES = 256
"""Sequences that a matching is made on: about 10,000 tokens, many more than a layer has components."""

IDLE = 1e-9
"""Length of a centred column below which it never changes: a dead neuron, a head whose write is constant."""

Similarity = NDArray[np.float64]
"""[new component, old component] of one layer."""


@dataclass(frozen=True)
class Matching(Record):
    """Which component stands for which, and the mean similarity of the matched ones (1: the same)."""

    relabelling: Relabelling = field(metadata=NOT_WRITTEN)
    head_similarity: float
    neuron_similarity: float | None


@torch.no_grad()
def match(original: CanonicalTransformer, other: CanonicalTransformer, inputs: InputBatch) -> Matching:
    """The components of ``other`` matched with those of ``original``, which must have as many layers.

    Where a layer of ``other`` has more components, those left over have no counterpart.
    """
    seen = inputs.rows(slice(0, SEQUENCES))
    ours, theirs = (_read(model, seen) for model in (original, other))
    heads = [
        0.5 * (1.0 - _row_variation(mine.patterns, its.patterns, seen)) + 0.5 * _correlation(its.writes, mine.writes)
        for mine, its in zip(ours, theirs, strict=True)
    ]
    neurons = [
        _correlation(its.neurons, mine.neurons)
        for mine, its in zip(ours, theirs, strict=True)
        if mine.neurons is not None and its.neurons is not None
    ]
    moves = {HEAD: _assigned(heads)}
    if neurons:
        moves[NEURON] = _assigned(neurons)
    return Matching(
        Relabelling(moves),
        head_similarity=_mean_of_matched(heads),
        neuron_similarity=_mean_of_matched(neurons) if neurons else None,
    )


@dataclass(frozen=True)
class _Reading:
    """What one layer does on the inputs."""

    patterns: list[tuple[Tensor, Tensor]]  # (rows, [row, head, query, key]) of each batch
    writes: Tensor  # [token, head] size of each head's write around its mean
    neurons: Tensor | None  # [token, neuron]


def _read(model: CanonicalTransformer, inputs: InputBatch) -> list[_Reading]:
    caches = []
    for rows, part in inputs.batches():
        _, cache = run_with_cache(model, part.tokens, sites=(Site.PATTERN, Site.Z, Site.NEURON))
        caches.append((rows, part.not_padding, cache))
    return [_reading(model, layer, caches) for layer in range(model.architecture.layers)]


def _reading(model: CanonicalTransformer, layer: int, caches: Sequence[tuple[Tensor, Tensor, Cache]]) -> _Reading:
    z = torch.cat(
        [cache[Site.Z, layer][not_padding] for _, not_padding, cache in caches]
    ).double()  # [token, head, value_width]
    W_O = model.attentions[layer].W_O
    writes = z - z.mean(0)
    if W_O is not None:
        writes = torch.einsum("thv,hvm->thm", writes, W_O.double())
    neurons = None
    if model.architecture.blocks[layer].neurons:
        neurons = torch.cat([cache[Site.NEURON, layer][not_padding] for _, not_padding, cache in caches]).double()
    return _Reading(
        patterns=[(rows, cache[Site.PATTERN, layer]) for rows, _, cache in caches],
        writes=writes.norm(dim=-1),
        neurons=neurons,
    )


def _row_variation(
    ours: Sequence[tuple[Tensor, Tensor]], theirs: Sequence[tuple[Tensor, Tensor]], inputs: InputBatch
) -> Similarity:
    """Mean total variation of attention rows with a choice, [new head, old head]."""
    total, count = torch.zeros(()), 0
    for (rows, old), (_, new) in zip(ours, theirs, strict=True):
        has_choice = inputs.not_padding[rows][:, : old.shape[2]].clone()
        has_choice[:, 0] = False
        distances = [0.5 * (new[:, [head]] - old).abs().sum(-1) for head in range(new.shape[1])]
        total = total + torch.stack([(d * has_choice[:, None]).sum((0, 2)) for d in distances])
        count += int(has_choice.sum())
    return total.double().numpy() / max(count, 1)


def _correlation(new: Tensor | None, old: Tensor | None) -> Similarity:
    """Correlation over tokens of each new with each old column.

    0 with a column that never changes, but 1 between two of these: both are idle.
    """
    if new is None or old is None:
        return np.zeros((0, 0))
    centred = [columns - columns.mean(0) for columns in (new, old)]
    idle = [columns.norm(dim=0) <= IDLE for columns in centred]
    standard = [torch.nn.functional.normalize(columns, dim=0, eps=IDLE) for columns in centred]
    correlation = standard[0].T @ standard[1]
    correlation[idle[0]] = 0.0
    correlation[:, idle[1]] = 0.0
    correlation[idle[0][:, None] & idle[1]] = 1.0
    return correlation.numpy()


def _assigned(layers: Sequence[Similarity]) -> tuple[tuple[int, ...] | None, ...]:
    """The best assignment of each layer, in flat order: old components of each new one."""
    moves: list[tuple[int, ...] | None] = []
    first = 0
    for similarity in layers:
        counterpart = dict(zip(*_best(similarity), strict=True))
        moves += [(first + counterpart[new],) if new in counterpart else None for new in range(len(similarity))]
        first += similarity.shape[1]
    return tuple(moves)


def _best(similarity: Similarity) -> tuple[list[int], list[int]]:
    """(new, old) pairs; what is not a number is as unlike as can be."""
    new, old = linear_sum_assignment(np.nan_to_num(similarity, nan=-1.0), maximize=True)
    return new.tolist(), old.tolist()


def _mean_of_matched(layers: Sequence[Similarity]) -> float:
    found = np.concatenate([similarity[_best(similarity)] for similarity in layers])
    return float(np.nan_to_num(found, nan=-1.0).mean())
