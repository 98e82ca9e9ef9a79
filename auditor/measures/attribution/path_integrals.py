"""Path integrals of all sequences, with their error.

The sum over everything that a path moves is the rise of the score from its start to its end: F(x) − F(x₀) for token
vectors, and for the z of a layer F(x) − F(x with that z at its baseline), since the residual stream goes past it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attribution.memory import PASS_BYTES, tokens_at_once
from auditor.measures.attribution.paths import head_paths, neuron_path, token_path
from auditor.measures.attribution.quadrature import Path, integrate
from auditor.measures.attribution.score import Explained, explained
from auditor.tensors import Residual

Array = NDArray[np.float64]

_POINTS_KEPT = 512
"""Points of a sequence, on average over a batch, whose values are kept at once within the memory of a pass."""


@dataclass(frozen=True)
class PathIntegrals:
    """Attributions by path integrals. Features are in ``groups`` of one path each, such as the heads of a layer."""

    values: Array  # [sequence, feature]
    errors: Array  # estimate for each value, with its sign, [sequence, feature]
    groups: tuple[slice, ...]  # which features belong to which path
    error: Array  # estimate for the sum along the path, in nats, [sequence, path]
    scale: Array  # Σ of the sizes of its parts, in nats, [sequence, path]
    points: NDArray[np.int64]  # [sequence, path]

    def columns(self, which: slice) -> PathIntegrals:
        """Some of the features of the only path."""
        size = len(range(*which.indices(self.values.shape[1])))
        return replace(self, values=self.values[:, which], errors=self.errors[:, which], groups=(slice(0, size),))


class Way(StrEnum):
    """What goes along a path, from where; and what is read on the way."""

    HEADS = "integrals along z of each layer"  # from the z of the blank input; [sequence, head]
    TOKENS = "integrals along token vectors"  # from the blank input; [sequence, position]
    FROM_ZERO = "integrals along token vectors from zero"  # padding stays as it is; [sequence, position]
    NEURONS = "integrals in neurons along token vectors"  # conductance, then influence; [sequence, 2 · neuron]


def path_integrals(way: Way, model: CanonicalTransformer, seen: InputBatch, *, refine: bool = True) -> PathIntegrals:
    """The integrals of all sequences. Conductance and influence of neurons share one path, and so their points.

    Without ``refine`` the first points of each path are all.
    """
    architecture, length = model.architecture, seen.tokens.shape[1]
    if way is Way.HEADS:
        return _integrals(model, seen, head_paths, [block.heads for block in architecture.blocks], refine)
    if way is Way.NEURONS:
        return _integrals(model, seen, lambda batch: [neuron_path(batch)], [2 * len(architecture.neurons)], refine)
    start = _zero if way is Way.FROM_ZERO else _blank
    return _integrals(model, seen, lambda batch: [token_path(batch, start(batch))], [length], refine)


def _blank(batch: Explained) -> Residual:
    return batch.blank_vectors


def _zero(batch: Explained) -> Residual:
    """Padding is no part of the input."""
    vectors = batch.vectors
    return torch.where(batch.not_padding[:, :, None], 0.0, vectors)


def _integrals(
    model: CanonicalTransformer,
    seen: InputBatch,
    paths: Callable[[Explained], Sequence[Path]],
    sizes: Sequence[int],
    refine: bool,
) -> PathIntegrals:
    """In float64 whatever the model's type: which points are taken must not depend on rounding."""
    model = model if model.dtype is torch.float64 else model.clone(dtype=torch.float64)
    ends = np.cumsum(sizes).tolist()
    groups = tuple(slice(end - size, end) for size, end in zip(sizes, ends, strict=True))
    values, errors = np.zeros((2, len(seen), sum(sizes)))
    error, scale = np.zeros((2, len(seen), len(sizes)))
    points = np.zeros((len(seen), len(sizes)), dtype=np.int64)
    length = seen.tokens.shape[1]
    at_once = min(tokens_at_once(model, length, 1), length * max(1, PASS_BYTES // (_POINTS_KEPT * 24 * sum(sizes))))
    for rows, part in seen.batches(tokens=at_once):
        index, width = rows.numpy(), part.tokens.shape[1]
        together = max(1, tokens_at_once(model, width, 1) // width)
        for place, (path, group) in enumerate(zip(paths(explained(model, part)), groups, strict=True)):
            found = integrate(path, len(part), together=together, refine=refine)
            columns = slice(group.start, group.start + found.values.shape[1])
            values[index, columns], errors[index, columns] = found.values, found.errors
            error[index, place], scale[index, place], points[index, place] = found.error, found.scale, found.points
    return PathIntegrals(values, errors, groups, error, scale, points)
