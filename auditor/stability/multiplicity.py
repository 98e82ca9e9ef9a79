"""Many claims, one error rate: the false discovery rate over all tested claims of an audit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def q_values(p: Sequence[float]) -> list[float]:
    """Benjamini–Hochberg adjusted p-values, in the given order (Benjamini & Hochberg 1995)."""
    if not p:
        return []
    return [float(q) for q in stats.false_discovery_control(np.asarray(p), method="bh")]
