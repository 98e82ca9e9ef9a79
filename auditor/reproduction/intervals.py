"""Intervals over models, which are the independent units of a reproduction."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from auditor.reproduction.results import Correlation
from auditor.seeds import numpy_generator

DRAWS = 9_999
NORMAL_95 = 1.959964
"""Half width of a 95 % interval in standard errors."""


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % percentile interval of the mean, models drawn with replacement."""
    drawn = numpy_generator(0, "reproduction", "interval").integers(len(values), size=(DRAWS, len(values)))
    low, high = np.quantile(np.asarray(values)[drawn].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def correlation(between: str, pairs: Sequence[tuple[float, float]]) -> Correlation:
    """Pearson's r; its interval is tanh(atanh r ± 1.96 / √(n − 3)) (Fisher 1921), for four models or more."""
    count = len(pairs)
    if count < 3:
        return Correlation(between, count, None, None, "fewer than three models")
    x, y = np.asarray(pairs).T
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(between, count, None, None, "one of the two does not vary")
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1.0, 1.0))
    if count < 4 or abs(r) >= 1.0:
        return Correlation(between, count, r, None, "too few models for an interval")
    reach = NORMAL_95 / math.sqrt(count - 3)
    return Correlation(between, count, r, (math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach)))
