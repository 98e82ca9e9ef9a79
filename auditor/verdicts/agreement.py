"""Whether an exact variant's scores are the original's, judged on a share of the sequences.

An exact move is algebra: a score that it keeps, it keeps on every sequence, and a score that it moves shows that on
almost any. So a share decides whether the rest has to be measured.
"""

from __future__ import annotations

import numpy as np

from auditor.records import Interpretation, Relabelling
from auditor.verdicts.alignment import align
from auditor.verdicts.distances import EXACT_TOLERANCE, scale_of
from auditor.verdicts.pairing import Pairing

ROUNDING = EXACT_TOLERANCE / 10
"""Largest relative difference that counts as none: a tenth of what would overturn a claim."""


def difference(original: Interpretation, variant: Interpretation, relabelling: Relabelling, distance: str) -> float:
    """The largest difference of a component's scores relative to their scale, mean over sequences; ∞ if incomparable.

    For arrays of scores the method's ``distance`` of each component. Both are measured on the same sequences.
    """
    aligned = align(variant, relabelling, original.components)
    if aligned.values.shape != original.values.shape or dict(aligned.undefined) != dict(original.undefined):
        return float("inf")
    if not np.array_equal(np.isfinite(aligned.values), np.isfinite(original.values)):
        return float("inf")
    pair = Pairing(original, aligned, distance)
    if not pair.kept:
        return 0.0
    if pair.ours.ndim > 2:
        return float(np.abs(pair.variation.mean).max())
    change = np.abs(pair.theirs - pair.ours).mean(axis=0) / scale_of(pair.means[0])
    return float(change.max())
