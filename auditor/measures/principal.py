"""The first principal direction of activations: where they vary most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SMALLEST_GAP = 1e-6
"""Share of the largest variance by which it must exceed the second: below, rounding chooses the direction."""


def first_direction(features: Array) -> tuple[Array, str]:
    """Unit eigenvector of the largest eigenvalue of the covariance of ``features`` [token, model], of unknown sign.

    With the reason why there is none, else an empty text. Rounding moves it by about 1e−16 over the relative gap
    between the two largest eigenvalues.
    """
    centred = features - features.mean(0)
    variances, directions = np.linalg.eigh(centred.T @ centred)
    scale = float(np.square(features).sum())
    if variances[-1] <= np.finfo(np.float64).eps * scale or len(features) < 2:
        return directions[:, -1], "it is the same at all positions that are read"
    if len(variances) > 1 and variances[-1] - variances[-2] < SMALLEST_GAP * variances[-1]:
        return directions[:, -1], "two directions have the same largest variance, so that none is the first"
    return directions[:, -1], ""
