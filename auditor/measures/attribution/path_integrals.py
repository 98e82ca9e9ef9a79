"""Path integrals of all sequences, with their error; each computed once for all methods that read it.

The sum over everything that a path moves is the rise of the score from its start to its end: F(x) − F(x₀) for token
vectors, and for the z of a layer F(x) − F(x with that z at its baseline), since the residual stream goes past it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attribution.memory import PASS_BYTES, tokens_at_once
from auditor.measures.attribution.paths import head_paths, neuron_path, token_path
from auditor.measures.attribution.quadrature import Integrals, Path, integrate
from auditor.measures.attribution.score import Explained, explained

Array = NDArray[np.float64]

T = TypeVar("T")

_USUAL_POINTS = 128


@dataclass(frozen=True)
class PathIntegrals:
    """Attributions by path integrals. Features are in ``groups`` of one path each: the heads of a layer, say."""

    values: Array  # [sequence, feature]
    errors: Array  # estimate for each value, with its sign, [sequence, feature]
    groups: tuple[slice, ...]  # which features belong to which path
    error: Array  # estimate for the sum along the path, in nats, [sequence, path]
    scale: Array  # Σ of the sizes of its parts, in nats, [sequence, path]
    points: NDArray[np.int64]  # [sequence, path]


@dataclass(frozen=True)
class Memo:
    """What methods share of one model and one set of inputs. A method alone makes one of its own."""

    made: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` returned when this key was first asked for."""
        if key not in self.made:
            self.made[key] = make()
        found: T = self.made[key]
        return found


def head_integrals(model: CanonicalTransformer, seen: InputBatch) -> PathIntegrals:
    """Integrated gradients along the z of each layer in turn, [sequence, head]."""
    sizes = [block.heads for block in model.architecture.blocks]
    return _integrals(model, seen, head_paths, sizes)


def token_integrals(model: CanonicalTransformer, seen: InputBatch) -> PathIntegrals:
    """Integrated gradients along the token vectors from the blank input, [sequence, position]."""
    return _integrals(model, seen, lambda batch: [token_path(batch, batch.blank_vectors)], [seen.tokens.shape[1]])


def zero_integrals(model: CanonicalTransformer, seen: InputBatch) -> PathIntegrals:
    """Integrated gradients along the token vectors from zero, [sequence, position]; padding stays as it is."""

    def from_zero(batch: Explained) -> Sequence[Path]:
        vectors = batch.vectors
        return [token_path(batch, torch.where(batch.not_padding[:, :, None], 0.0, vectors))]

    return _integrals(model, seen, from_zero, [seen.tokens.shape[1]])


def neuron_integrals(model: CanonicalTransformer, seen: InputBatch) -> PathIntegrals:
    """Conductance, then influence, of each neuron along the token vectors from the blank input, [sequence, 2 · neuron].

    Both stand in one path, so that they share their points.
    """
    return _integrals(model, seen, lambda batch: [neuron_path(batch)], [2 * len(model.architecture.neurons)])


def _integrals(
    model: CanonicalTransformer,
    seen: InputBatch,
    paths: Callable[[Explained], Sequence[Path]],
    sizes: Sequence[int],
) -> PathIntegrals:
    """In float64 whatever the model's type: which points are taken must not hang on rounding."""
    model = model if model.dtype is torch.float64 else model.clone(dtype=torch.float64)
    ends = np.cumsum(sizes).tolist()
    groups = tuple(slice(end - size, end) for size, end in zip(sizes, ends, strict=True))
    values, errors = np.zeros((2, len(seen), sum(sizes)))
    error, scale = np.zeros((2, len(seen), len(sizes)))
    points = np.zeros((len(seen), len(sizes)), dtype=np.int64)
    length = seen.tokens.shape[1]
    at_once = min(tokens_at_once(model, length, 1), length * max(1, PASS_BYTES // (_USUAL_POINTS * 24 * sum(sizes))))
    for rows, part in seen.batches(tokens=at_once):
        index, width = rows.numpy(), part.tokens.shape[1]
        together = max(1, tokens_at_once(model, width, 1) // width)
        for place, (path, group) in enumerate(zip(paths(explained(model, part)), groups, strict=True)):
            found = integrate(path, len(part), together=together)
            columns = slice(group.start, group.start + found.values.shape[1])
            values[index, columns], errors[index, columns] = found.values, found.errors
            error[index, place], scale[index, place], points[index, place] = found.error, found.scale, found.points
    return PathIntegrals(values, errors, groups, error, scale, points)
