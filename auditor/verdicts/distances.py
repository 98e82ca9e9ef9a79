"""How far two interpretations are apart, and from which distance on that matters. All thresholds are here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.verdicts.similarity import SIMILARITIES, unlikeness

Array = NDArray[np.float64]

SMALLEST_EFFECT: Mapping[str, float] = {
    "value": 0.10,  # a score quoted to one digit survives a change of a tenth
    "rank": 0.0,  # a claim "c is the top" fails as soon as another component is ahead
    "set": 0.0,  # a claim "these lead" fails as soon as another component is ahead of one of them
    "predicate": 0.0,  # a claim "at least θ" fails as soon as the mean score is below θ
    "comparison": 0.0,  # a claim "c is ahead by δ" fails as soon as it is ahead by less
    "existence": 0.0,  # a claim "some c is at least θ" fails as soon as every mean score is below θ
    "conjunction": 0.0,  # fails as soon as one of its parts does
    "agreement": 0.0,  # fails as soon as no set leads by both methods
    "pattern": 0.10,  # a tenth of the attention mass elsewhere is visible in a heat map
}
"""Δ, the smallest effect of interest by kind of claim, for behavioural variants."""

EXACT_TOLERANCE = 1e-8
"""Relative change that float64 rounding can make under an exact symmetry; anything above is a change of the score."""

SCALE_FLOOR = 0.5
"""Changes are measured against the component's own score, but at least against half of the largest score: so Δ of a
value is the larger of a tenth of its own score and a twentieth of the largest. Scores of one method are read side by
side; at one digit of the largest one they are rounded by up to a twentieth of it, so that a smaller change is not seen
in the figures that people quote. Set before the calibration was run with it, which measures the error rates."""


def scale_of(scores: Array) -> Array:
    """What a change is relative to, per component: |score|, at least ``SCALE_FLOOR`` of the largest.

    [..., component].
    """
    size = np.abs(scores)
    largest = size.max(axis=-1, keepdims=True)
    scale: Array = np.maximum(size, SCALE_FLOOR * largest)
    return np.where(scale > 0, scale, 1.0)


def relative_change(original: Array, variant: Array) -> Array:
    """|variant − original| / scale, [..., component]."""
    change: Array = np.abs(variant - original) / scale_of(original)
    return change


def rank_shortfall(scores: Array, index: int, top: int = 1) -> Array:
    """How far the ``top``-th best of the others is ahead of ``index``, relative to the largest |score|.

    Negative while the component is among the ``top``. [...].
    """
    others = np.sort(np.delete(scores, index, axis=-1), axis=-1)[..., -top]
    largest = np.abs(scores).max(axis=-1)
    gap: Array = (others - scores[..., index]) / np.where(largest > 0, largest, 1.0)
    return gap


@dataclass(frozen=True, slots=True)
class RowVariation:
    """Total variation of attention rows, summed per sequence. ``total`` [sequence, head], ``rows`` [sequence]."""

    total: Array
    rows: Array

    @property
    def mean(self) -> Array:
        """Mean over all rows, [head]."""
        mean: Array = self.total.sum(axis=0) / max(float(self.rows.sum()), 1.0)
        return mean


def pattern_distance(distance: str, original: Array, variant: Array) -> RowVariation:
    """How far two array-valued scores [sequence, component, …] are apart, by the name of a method's distance.

    ``total_variation``: of attention rows. ``cosine``: 1 − cosine of all the signed scores of a component (0 same
    direction, 1 orthogonal, 2 opposite). ``frobenius``: ‖A − A′‖ / ‖A‖, per sequence. ``cka``, ``procrustes``: of
    representations (``auditor.verdicts.similarity``). Entries that are NaN in either are left out.
    """
    if distance == "total_variation":
        return pattern_variation(original, variant)
    if distance in SIMILARITIES:
        return RowVariation(unlikeness(distance, original, variant), np.ones(len(original)))
    known = np.isfinite(original) & np.isfinite(variant)
    ours, theirs = (np.where(known, a, 0.0).reshape(*a.shape[:2], -1) for a in (original, variant))
    size = np.linalg.norm(ours, axis=-1)
    if distance == "cosine":
        both = np.sqrt((ours * ours).sum(-1) * (theirs * theirs).sum(-1))  # 1 exactly where nothing moved
        alike = np.linalg.norm(ours - theirs, axis=-1) == 0
        cosine = np.where(both > 0, (ours * theirs).sum(-1) / np.where(both > 0, both, 1.0), 1.0 * alike)
        total = 1.0 - cosine
    else:
        total = np.linalg.norm(theirs - ours, axis=-1) / np.where(size > 0, size, 1.0)
    return RowVariation(total, np.ones(len(total)))


def pattern_variation(original: Array, variant: Array) -> RowVariation:
    """Total variation ½ Σ|A − A′| per attention row, from two patterns [sequence, head, query, key].

    The first query is left out (a causal model gives it no choice), as are padding rows, which are zero.
    """
    real = original[:, 0].sum(axis=-1) > 0.5
    real[:, 0] = False
    rows = 0.5 * np.abs(variant - original).sum(axis=-1)
    return RowVariation((rows * real[:, None]).sum(axis=-1), real.sum(axis=-1).astype(np.float64))
