"""The standard error of what is averaged over random draws, as one share of the size of the scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def error_of_mean(draws: Array) -> float | None:
    """√(Σ variance of the mean / Σ mean²) from independent draws [draw, …]; None from fewer than two."""
    if len(draws) < 2:
        return None
    return _share(draws.var(axis=0, ddof=1) / len(draws), draws.mean(axis=0))


def jackknife_error(estimate: Array, left_out: Array) -> float:
    """The same of estimates […] that are no mean, from those without one draw each [draw, …] (Tukey 1958)."""
    count = len(left_out)
    return _share((count - 1) * left_out.var(axis=0), estimate)


def _share(variance: Array, size: Array) -> float:
    total = float(np.square(size).sum())
    return float(np.sqrt(variance.sum() / total)) if total > 0 else 0.0
