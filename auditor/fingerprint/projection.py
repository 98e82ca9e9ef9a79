"""A few random projections of a long vector that keep its distances.

y_i = n^(−1/2) Σ_j ±x_j has E[y_i²] = mean x², so distances between sketches estimate distances between vectors
(Johnson & Lindenstrauss 1984; with signs in place of Gaussians, Achlioptas 2003). Over m coordinates the squared
distance is underestimated by the factor t with probability at most (t e^(1−t))^(m/2): ten times too small a distance
(t = 1/100) has probability 10⁻²⁵ for m = 32. Every coordinate reads every probe, so a change
at any probe shows in all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.fingerprint.bits import signs

COORDINATES = 32
"""m, the length of a sketch."""


def project(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[value] → [coordinate]."""
    total = np.array([values @ signs(f"projection/{i}", len(values)) for i in range(COORDINATES)])
    projected: NDArray[np.float64] = total / np.sqrt(len(values))
    return projected
