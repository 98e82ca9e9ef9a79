"""What a random explanation would score: the effect of relabelling the components at random.

A method whose disagreement with a variant is as large as this does not distinguish the components. Sensitivity
alone cannot distinguish a random explanation from a perfect one (Wang et al. 2024, arXiv 2412.10942).
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from auditor.records import Claim
from auditor.records.values import number, whole
from auditor.verdicts.bootstrap import generator_for
from auditor.verdicts.distances import pattern_distance, rank_shortfall, scale_of
from auditor.verdicts.pairing import Pairing
from auditor.verdicts.quantities import members_of

Array = NDArray[np.float64]

MOST_SUBSETS = 5_000
"""Up to this many sets of components are enumerated; beyond, ``DRAWN_SUBSETS`` are drawn."""

DRAWN_SUBSETS = 1_000

SHOWN_SEQUENCES = 64
"""Sequences on which patterns of different components are compared."""


def ceiling_of(claim: Claim, pairing: Pairing, *, seed: int) -> float | None:
    """Mean effect over all relabellings of the original's components; None where there is nothing to relabel.

    Under a uniform relabelling each component stands for each with equal chance, so that the mean over relabellings is
    the mean over components, exactly; over sets of components for a set claim.
    """
    itself = pairing.itself
    if len(itself.components) < 2 or itself.why_undefined(claim):
        return None
    index = itself.index(claim.component)
    if claim.kind == "pattern":
        return _mean_distance(itself, index)
    scores = itself.means[0]
    if claim.kind == "value":
        return float((np.abs(scores - scores[index]) / scale_of(scores)[index]).mean())
    if claim.kind == "predicate":
        below = number(claim.parameters, "threshold") - float(scores.mean())
        return below if claim.parameters.get("above", True) else -below
    if claim.kind == "comparison":
        return number(claim.parameters, "by") / (float(np.abs(scores).max()) or 1.0)
    if claim.kind == "rank":
        top = whole(claim.parameters, "top", 1)
        return float(np.mean([rank_shortfall(scores, one, top) for one in range(len(scores))]))
    return _mean_shortfall(scores, len(members_of(claim, itself)), seed=seed)


def _mean_distance(itself: Pairing, index: int) -> float:
    patterns = itself.ours[:SHOWN_SEQUENCES]
    one = np.repeat(patterns[:, [index]], patterns.shape[1], axis=1)
    return float(pattern_distance(itself.distance, one, patterns).mean.mean())


def _mean_shortfall(scores: Array, size: int, *, seed: int) -> float:
    """Mean over sets of ``size`` components of (best outside − worst inside) / largest."""
    count = len(scores)
    if math.comb(count, size) <= MOST_SUBSETS:
        subsets = np.asarray(list(itertools.combinations(range(count), size)))
    else:
        generator = generator_for(seed, "subsets", count, size)
        subsets = np.stack([generator.permutation(count)[:size] for _ in range(DRAWN_SUBSETS)])
    inside = np.zeros((len(subsets), count), dtype=bool)
    np.put_along_axis(inside, subsets, True, axis=1)
    shortfall = np.where(inside, -np.inf, scores).max(axis=1) - np.where(inside, scores, np.inf).min(axis=1)
    return float(shortfall.mean()) / (float(np.abs(scores).max()) or 1.0)
