"""Whether path integrals are good enough to be printed: what has not converged is reported with its error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from auditor.measures.attribution import quadrature
from auditor.measures.attribution.path_integrals import PathIntegrals

LARGEST_ERROR = 0.1
"""Error of one score from which it is not printed, as a share of its size: the smallest change that a claim about a
value counts."""

TINY = 1e-12
"""Nats below which a score is rounding."""


def path_errors(found: PathIntegrals) -> NDArray[np.float64]:
    """Mean estimated error of the sum along each path, as a share of the mean Σ of the sizes of its parts, [path]."""
    share: NDArray[np.float64] = found.error.mean(0) / np.maximum(found.scale.mean(0), quadrature.SMALLEST_SCALE)
    return share


def not_converged(found: PathIntegrals) -> Mapping[int, str]:
    """Why the features of a path have no score, by index: the sum along it is off by more than the tolerance."""
    return {
        feature: f"not converged: error {share:.1%} with up to {points} points per sequence"
        for share, points, group in zip(path_errors(found), found.points.max(0), found.groups, strict=True)
        if share > quadrature.TOLERANCE
        for feature in range(group.start, group.stop)
    }


def imprecise(found: PathIntegrals, *, floor: float) -> Mapping[int, str]:
    """Why single features have no mean score, by index. Sizes below ``floor`` of the largest count as that."""
    sizes, errors = np.abs(found.values.mean(0)), np.abs(found.errors.mean(0))
    share = errors / np.maximum(np.maximum(sizes, floor * sizes.max(initial=0.0)), TINY)
    return {int(index): _off_by(share[index]) for index in np.flatnonzero(share > LARGEST_ERROR)}


def imprecise_pattern(found: PathIntegrals) -> Mapping[int, str]:
    """Why the features have no score, which are compared as one pattern: lengths of errors and of scores."""
    share = float(np.linalg.norm(found.errors) / max(float(np.linalg.norm(found.values)), TINY))
    return {0: _off_by(share)} if share > LARGEST_ERROR else {}


def _off_by(share: float) -> str:
    return f"not converged: error {share:.1%} of the score"
