"""Resampling sequences, vectorised: one matrix of resampling weights serves every component and every claim."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

INTERVAL = (0.025, 0.975)
"""Ends of an interval."""

LEAST_SPREAD = 0.1
"""A resample's standard error is taken to be at least this share of the sample's: a resample that misses the few
sequences which differ has none, and would make its t infinite."""

BLOCK = 256
"""Columns that are resampled at a time; bounds the memory."""


@lru_cache(maxsize=6)
def resampling_weights(sequences: int, draws: int, seed: int) -> Array:
    """[draw, sequence]: how often each sequence is drawn, over n. Read-only; the same for the same arguments.

    Efron 1979; weights of one draw sum to 1.
    """
    weights = generator_for(seed, "bootstrap", sequences, draws).multinomial(
        sequences, np.full(sequences, 1 / sequences), size=draws
    )
    shares: Array = weights / sequences
    shares.setflags(write=False)
    return shares


def generator_for(seed: int, *names: str | int) -> np.random.Generator:
    """A random generator of its own for each purpose."""
    text = "/".join(str(part) for part in (seed, *names))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))


def resampled_means(values: Array, *, draws: int, seed: int) -> Array:
    """Means of ``values`` [sequence, …] under each draw, [draw, …]."""
    weights = resampling_weights(len(values), draws, seed)
    flat = values.reshape(len(values), -1)
    means: Array = (weights @ flat).reshape(draws, *values.shape[1:])
    return means


def standard_errors(parts: Array) -> Array:
    """Of the means of ``parts`` [sequence, column] with mean 0, [column]."""
    errors: Array = np.sqrt(np.square(parts).mean(axis=0) / len(parts))
    return errors


def studentised(parts: Array, *, draws: int, seed: int) -> tuple[Array, Array]:
    """Shift of each resampled mean, and the same over the resample's own standard error. Both [draw, column].

    ``parts`` [sequence, column] have mean 0. The second is the bootstrap-t, whose error in the level of a one-sided
    test is of order 1/n where that of the percentile method is of order 1/√n (Hall 1992, section 3.6).
    """
    count = parts.shape[1]
    moments = resampled_means(np.concatenate([parts, np.square(parts)], axis=1), draws=draws, seed=seed)
    shifts, errors = moments[:, :count], moments[:, count:]
    errors -= np.square(shifts)
    least = LEAST_SPREAD * standard_errors(parts)
    np.maximum(errors, 0.0, out=errors)
    np.sqrt(errors / len(parts), out=errors)
    np.maximum(errors, np.where(least > 0, least, 1.0), out=errors)
    return shifts, np.divide(shifts, errors, out=errors)


def in_blocks(parts: Sequence[Array], *, draws: int, seed: int) -> Iterator[tuple[Array, Array]]:
    """:func:`studentised` of each of several sets of columns, many sets at a time."""
    start = 0
    while start < len(parts):
        stop, columns = start + 1, parts[start].shape[1]
        while stop < len(parts) and columns + parts[stop].shape[1] <= BLOCK:
            columns += parts[stop].shape[1]
            stop += 1
        shifts, t = studentised(np.concatenate(parts[start:stop], axis=1), draws=draws, seed=seed)
        ends = np.cumsum([one.shape[1] for one in parts[start:stop]])[:-1]
        yield from zip(np.split(shifts, ends, axis=1), np.split(t, ends, axis=1), strict=True)
        start = stop
