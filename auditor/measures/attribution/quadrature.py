"""Integrals along a path from t = 0 to 1, by an adaptive composite rule whose own error is known.

Each sequence starts with four panels of five equally spaced points. A panel's integral is Boole's rule (Newton–Cotes of
degree 5; Davis & Rabinowitz 1984, "Methods of numerical integration", 2.5 and 6.2). A panel is halved, which keeps its
five points and adds four, until the sequence's error is below the tolerance. Of each panel two things are known:

* the score at both ends, so that Σ of the integrals must be its rise over the panel (completeness, Sundararajan et al.
  2017, proposition 1, panel by panel: no spike between the points goes unseen that changes the score),
* the estimate of each part from half of its points (Simpson's rule on three of them), so that errors that cancel in Σ
  show.

On the bundled models this takes half the points of Gauss–Legendre panels (ReLU kinks leave no rule a higher order, and
points of a finer grid are never thrown away).

Which panels are halved depends on the score and on ``watched`` alone, which no exact symmetry moves: models that
compute the same function are compared at the same points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

TOLERANCE = 0.01
"""Error that a sequence's integral may have, as a share of the sum of the sizes of its parts."""

SMALLEST_SCALE = 0.01
"""Nats below which the sum of the sizes is not taken for the scale: no points are spent on less."""

MOST_POINTS = 4_096
"""Points of a sequence after which it is left as it is."""

GAIN = 0.1
"""How far Boole's sum is off, as a share of the distances of its parts from Simpson's on half the points."""

GAIN_OF_ONE = 0.5
"""The same of a single value, whose kinks nothing averages out; much less on a smooth path."""

_PANELS = 4
_BOOLE = np.array([7, 32, 12, 32, 7]) / 90
_SIMPSON = np.array([1, 0, 4, 0, 1]) / 6


@dataclass(frozen=True)
class Samples:
    """What a path gives at some points."""

    score: Tensor  # [point]
    slope: Tensor  # d score / dt, [point]
    watched: Tensor  # parts of the slope that no exact symmetry moves, [point, part]
    values: Tensor  # what is integrated, [point, feature]


Path = Callable[[Tensor, Tensor], Samples]
"""From the row and the t of each point, both [point]."""


@dataclass(frozen=True)
class Integrals:
    """∫ values dt of each sequence, and what is known of its error."""

    values: Array  # [sequence, feature]
    errors: Array  # estimate for each value, with its sign, [sequence, feature]
    error: Array  # estimate for the sum of the watched parts, in nats, [sequence]
    scale: Array  # Σ |∫ watched part|, in nats, [sequence]
    points: NDArray[np.int64]  # [sequence]


@dataclass(frozen=True)
class _Panels:
    """Five points on each panel. Fields of samples are [panel, point, …]."""

    row: NDArray[np.int64]
    start: Array
    width: Array
    score: Array
    slope: Array
    watched: Array
    values: Array

    def take(self, which: NDArray[np.bool_]) -> _Panels:
        return _Panels(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    def beside(self, other: _Panels) -> _Panels:
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)
        return _Panels(*(np.concatenate(pair) for pair in pairs))

    def integral(self, name: str, rule: Array) -> Array:
        sampled: Array = np.einsum("p...,p->p...", np.einsum("pi...,i->p...", getattr(self, name), rule), self.width)
        return sampled

    @property
    def error(self) -> Array:
        """Estimate for each panel, in nats."""
        gap = np.abs(self.integral("slope", _BOOLE) - (self.score[:, 4] - self.score[:, 0]))
        apart = np.abs(self.integral("watched", _BOOLE) - self.integral("watched", _SIMPSON)).sum(1)
        larger: Array = np.maximum(gap, GAIN * apart)
        return larger


def integrate(path: Path, rows: int, *, together: int, refine: bool = True) -> Integrals:
    """The integrals of ``rows`` sequences, ``together`` points at a time; without ``refine`` from one panel."""
    count = _PANELS if refine else 1
    grid = np.linspace(0, 1, 4 * count + 1)
    samples = _sampled(path, np.repeat(np.arange(rows), len(grid)), np.tile(grid, rows), together)
    corners = np.arange(count)[:, None] * 4 + np.arange(5)
    first = [sample.reshape(rows, len(grid), *sample.shape[1:])[:, corners] for sample in samples]
    row, start = np.repeat(np.arange(rows), count), np.tile(grid[:-1:4], rows)
    panels = _Panels(
        row, start, np.full(len(row), 1 / count), *(sample.reshape(-1, 5, *sample.shape[3:]) for sample in first)
    )
    points = np.full(rows, len(grid))
    while True:
        error, scale = _by_row(panels.row, panels.error, rows), _scale(panels, rows)
        allowed = TOLERANCE * np.maximum(scale, SMALLEST_SCALE)
        share = allowed / (2 * np.bincount(panels.row, minlength=rows))
        goes_on = (error > allowed) & (points < MOST_POINTS)
        split = goes_on[panels.row] & (panels.error > share[panels.row])
        if not (refine and split.any()):
            break
        points += 4 * np.bincount(panels.row[split], minlength=rows)
        panels = panels.take(~split).beside(_halved(panels.take(split), path, together))
    values, coarse = (panels.integral("values", rule) for rule in (_BOOLE, _SIMPSON))
    errors = GAIN_OF_ONE * _by_row(panels.row, values - coarse, rows)
    return Integrals(_by_row(panels.row, values, rows), errors, error, scale, points)


def _scale(panels: _Panels, rows: int) -> Array:
    scale: Array = np.abs(_by_row(panels.row, panels.integral("watched", _BOOLE), rows)).sum(1)
    return scale


def _halved(panels: _Panels, path: Path, together: int) -> _Panels:
    """Both halves: every other point is an old one."""
    count, eighth = len(panels.row), panels.width / 8
    new = (panels.start[:, None] + eighth[:, None] * np.array([1, 3, 5, 7])).ravel()
    samples = _sampled(path, np.repeat(panels.row, 4), new, together)
    halves = []
    for name, sample in zip(("score", "slope", "watched", "values"), samples, strict=True):
        old = getattr(panels, name)
        whole = np.empty((count, 9, *old.shape[2:]))
        whole[:, ::2], whole[:, 1::2] = old, sample.reshape(count, 4, *old.shape[2:])
        halves.append(np.concatenate([whole[:, :5], whole[:, 4:]]))
    starts = np.concatenate([panels.start, panels.start + panels.width / 2])
    return _Panels(np.tile(panels.row, 2), starts, np.tile(panels.width / 2, 2), *halves)


def _sampled(path: Path, row: NDArray[np.int64], t: Array, together: int) -> tuple[Array, Array, Array, Array]:
    """Score, slope, watched parts and values at all points, in pieces."""
    found = [
        path(torch.from_numpy(row[start : start + together]), torch.from_numpy(t[start : start + together]))
        for start in range(0, len(row), together)
    ]
    score, slope, watched, values = (
        torch.cat([getattr(part, name) for part in found]).numpy() for name in ("score", "slope", "watched", "values")
    )
    return score, slope, watched, values


def _by_row(row: NDArray[np.int64], values: Array, rows: int) -> Array:
    total = np.zeros((rows, *values.shape[1:]))
    np.add.at(total, row, values)
    return total
