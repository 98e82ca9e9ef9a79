"""Is the largest of several margins above a threshold, or are all below it? One test, one interval, one p-value.

Above: the null "none is above" is composite. The largest t is compared with the largest t of resamples in which every
margin stands at the threshold (White 2000), those far below it left out (Hansen 2005; by how many errors, Andrews &
Soares 2010, section 4.2). So p is uniform when the margins that bind stand at the threshold, and margins that depend on
each other through the same sequences need no correction. A margin that counts in both directions stands at one
threshold and at twice its distance from the other. Below: each margin must be so on its own, which needs no correction
either (Berger 1982, the intersection–union test).

Sequences that all give the same margin say nothing of how far it spreads. That n of them agree leaves, at level α, a
share of up to 1 − α^(1/n) of all sequences that may be otherwise (Clopper & Pearson 1934; the rule of three of Hanley &
Lippman-Hand 1983 is this at 5 %); such a margin is given that share of its unit as the half-width of its interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from auditor.verdicts.bootstrap import INTERVAL, generator_for, standard_errors
from auditor.verdicts.contrasts import Margins

Array = NDArray[np.float64]

TAIL = 0.025
"""Error allowed at each end of an interval."""

LEAST_SEQUENCES = 20
"""Fewer sequences get no verdict that rests on them: a bootstrap of so few has no tail to read."""


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The largest margin over all variants, and the mean over variants of the largest of each."""

    effect: float
    interval: tuple[float, float]
    p: float
    mean_interval: tuple[float, float] | None  # None with one variant


def worst_case(
    variants: Sequence[Margins], shifts: Array, t: Array, threshold: float, *, seed: int, tail: float = TAIL
) -> WorstCase:
    """Judge the margins of one claim under one or more variants.

    ``shifts`` and ``t`` are the resampled columns of all variants side by side, [draw, margin]. ``tail`` is the error
    allowed at each end of the interval.
    """
    sampled = [one.parts for one in variants if one.parts is not None]
    effects = np.concatenate([one.effects for one in variants])
    errors, t = spread_of(variants, t, seed=seed, tail=tail)
    mean_interval = _two_level(variants, shifts, seed=seed) if len(variants) > 1 else None
    two_sided = any(one.two_sided for one in variants)
    if two_sided:
        t = t * np.where(effects < 0, -1.0, 1.0)
        effects = np.abs(effects)
    observed = (effects - threshold) / errors
    binding = observed > -math.sqrt(math.log(max(len(sampled[0]), 2)))
    binding[int(observed.argmax())] = True
    largest = (_folded(t, threshold, errors) if two_sided else t)[:, binding].max(axis=1)
    p = (1 + int((largest >= observed.max()).sum())) / (len(t) + 1)
    low = float((effects - np.quantile(largest, 1 - tail) * errors)[binding].max())
    each = tail / (1 + max(one.spared for one in variants))
    upper = effects - np.quantile(t, each, axis=0) * errors
    if two_sided:
        upper = np.maximum(upper, np.quantile(t, 1 - each, axis=0) * errors - effects)
    worst = float(effects.max())
    return WorstCase(worst, (min(low, worst), max(float(upper.max()), worst)), p, mean_interval)


def spread_of(variants: Sequence[Margins], t: Array, *, seed: int, tail: float = TAIL) -> tuple[Array, Array]:
    """Standard error of each margin of all variants, and ``t`` [draw, margin] with what stands in for a silent one."""
    sampled = [one.parts for one in variants if one.parts is not None]
    errors = np.concatenate([standard_errors(parts) for parts in sampled])
    silent = errors == 0
    if silent.any():
        units = np.concatenate([np.full(len(one.effects), one.unit) for one in variants])[silent]
        errors[silent] = units * unseen_share(len(sampled[0]), tail) / NormalDist().inv_cdf(1 - tail)
        t = t.copy()
        t[:, silent] = _normal(len(t), int(silent.sum()), seed)
    return np.hypot(errors, np.concatenate([_rerun(one) for one in variants])), t


def unseen_share(sequences: int, tail: float = TAIL) -> float:
    """The largest share of sequences that may be of another kind although none of those drawn is, at level ``tail``."""
    return 1.0 - float(tail ** (1.0 / sequences))


def least_sequences(threshold: float, tail: float = TAIL) -> int:
    """How many sequences a verdict that a claim holds needs at least: as many as leave an unseen share below Δ.

    With Δ = 0 no number follows from that, and ``LEAST_SEQUENCES`` stands for all.
    """
    if not 0 < threshold < 1:
        return LEAST_SEQUENCES
    return max(LEAST_SEQUENCES, math.floor(math.log(tail) / math.log1p(-threshold)) + 1)


def _rerun(margins: Margins) -> Array:
    """Standard errors of the margins of one variant by the method's own draws."""
    return np.zeros(len(margins.effects)) if margins.rerun is None else margins.rerun


@lru_cache(maxsize=4)
def _normal(draws: int, columns: int, seed: int) -> Array:
    """Standard normal numbers in place of a t that cannot be resampled, [draw, column]. Read-only."""
    numbers: Array = generator_for(seed, "unseen", draws, columns).normal(size=(draws, columns))
    numbers.setflags(write=False)
    return numbers


def _folded(t: Array, threshold: float, errors: Array) -> Array:
    """The larger t of the two directions while the margin stands at the threshold of one."""
    apart = 2 * threshold / np.where(errors > 0, errors, 1.0)
    larger: Array = np.maximum(t, -t - apart)
    return larger


def _two_level(variants: Sequence[Margins], shifts: Array, *, seed: int) -> tuple[float, float]:
    """Interval of the mean over variants, resampled before their sequences (Davison & Hinkley 1997, section 3.8)."""
    ends = np.cumsum([len(one.effects) for one in variants])[:-1]
    drawn = _drawn_variants(len(variants), len(shifts), seed)
    means = np.zeros(len(shifts))
    for times, one, shift in zip(drawn, variants, np.split(shifts, ends, axis=1), strict=True):
        effects = one.effects + shift
        means += times * (np.abs(effects) if one.two_sided else effects).max(axis=1)
    low, high = np.quantile(means, INTERVAL)
    mean = float(np.mean([one.effect for one in variants]))
    return min(float(low), mean), max(float(high), mean)


@lru_cache(maxsize=8)
def _drawn_variants(count: int, draws: int, seed: int) -> Array:
    """[variant, draw]: how often each variant is drawn, over their number. Read-only."""
    generator = generator_for(seed, "variants", count, draws)
    drawn: Array = generator.multinomial(count, np.full(count, 1 / count), size=draws).T / count
    drawn.setflags(write=False)
    return drawn
