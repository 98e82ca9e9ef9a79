"""Paired bootstrap over sequences, vectorised: one matrix of resampling weights serves every component."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

INTERVAL = (0.025, 0.975)
"""Ends of the percentile interval."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic with its bootstrap distribution summed up."""

    value: float
    interval: tuple[float, float]
    p: float  # one-sided, H0: statistic ≤ threshold


@lru_cache(maxsize=8)
def resampling_weights(sequences: int, draws: int, seed: int) -> Array:
    """[draw, sequence]: how often each sequence is drawn, over n. Read-only; the same for the same arguments.

    Efron 1979; weights of one draw sum to 1.
    """
    name = hashlib.sha256(f"{seed}/bootstrap/{sequences}/{draws}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(name[:8], "little"))
    weights = generator.multinomial(sequences, np.full(sequences, 1 / sequences), size=draws) / sequences
    weights.setflags(write=False)
    return weights


def resampled_means(values: Array, *, draws: int, seed: int) -> Array:
    """Means of ``values`` [sequence, …] under each draw, [draw, …]."""
    weights = resampling_weights(len(values), draws, seed)
    flat = values.reshape(len(values), -1)
    means: Array = (weights @ flat).reshape(draws, *values.shape[1:])
    return means


def estimate(value: float, draws: Array, threshold: float) -> Estimate:
    """Percentile interval, and p = (1 + #{draws ≤ threshold}) / (draws + 1), which is never 0.

    Source: Davison & Hinkley 1997, section 4.2.5.
    """
    low, high = np.quantile(draws, INTERVAL)
    p = (1 + int((draws <= threshold).sum())) / (len(draws) + 1)
    return Estimate(value, (float(low), float(high)), p)


def split_half_noise(values: Array, *, splits: int, seed: int) -> Array:
    """Mean |difference of the means of two disjoint halves| over random splits, [component] from [sequence, component].

    With fewer than two sequences there are no halves: NaN.
    """
    count = len(values)
    if count < 2:
        return np.full(values.shape[1:], np.nan)
    name = hashlib.sha256(f"{seed}/halves/{count}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(name[:8], "little"))
    differences = []
    for _ in range(splits):
        order = generator.permutation(count)
        half = count // 2
        differences.append(np.abs(values[order[:half]].mean(axis=0) - values[order[half : 2 * half]].mean(axis=0)))
    noise: Array = np.mean(differences, axis=0)
    return noise
