"""Many claims, one error rate: the false discovery rate over all tested claims of an audit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auditor.records import Multiplicity


def q_values(p: Sequence[float], procedure: str = Multiplicity.BENJAMINI_HOCHBERG) -> list[float]:
    """Adjusted p-values in the given order (Benjamini & Hochberg 1995, Benjamini & Yekutieli 2001)."""
    if not p:
        return []
    from scipy import stats  # takes half a second to load, and only the last stage of an audit needs it

    return [float(q) for q in stats.false_discovery_control(np.asarray(p), method=str(procedure))]
