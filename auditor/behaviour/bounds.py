"""One-sided 95 % bounds of what two models differ by. Sequences are the independent units.

Means carry a cluster standard error (ratio estimator). The bound of a share is exact for one random decision of each
sequence, or for the effective number of all of them. Closing accuracies are compared by a paired equivalence test
(TOST, Schuirmann 1987). A standard error of 0 never becomes certainty: half-widths are at least 3/n.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from auditor.behaviour.comparison import Comparison
from auditor.binomial import upper_bound

CONFIDENCE = 0.95
"""One-sided confidence of every bound in a certificate."""


def kl_bound(found: Comparison) -> tuple[float, float]:
    """Mean KL per scored output in nats, and its upper bound."""
    mean, half = ratio(found.kl, found.owner, found.sequences)
    return mean, mean + half


def ratio(values: NDArray[np.float64], owner: NDArray[np.int64], sequences: int) -> tuple[float, float]:
    """Mean per output and the half-width of its one-sided bound, with sequences as clusters (ratio estimator)."""
    if not values.size:
        return 0.0, 1.0
    totals = np.bincount(owner, weights=values, minlength=sequences)
    sizes = np.bincount(owner, minlength=sequences)
    mean = float(totals.sum() / sizes.sum())
    residual = totals - mean * sizes
    error = float(np.sqrt((residual**2).sum() * sequences / max(sequences - 1, 1)) / sizes.sum())
    return mean, float(special.stdtrit(max(sequences - 1, 1), CONFIDENCE)) * error


def disagreement(found: Comparison) -> float | None:
    """Share of decisions that differ; None where nothing is decided."""
    return float(found.differs[found.decides].mean()) if found.decides.any() else None


def random_decision_bound(found: Comparison, generator: np.random.Generator) -> float | None:
    """Exact upper bound of the share, over one random decision of each sequence (Clopper & Pearson 1934)."""
    order = generator.permutation(np.flatnonzero(found.decides))
    if not order.size:
        return None
    _, first = np.unique(found.owner[order], return_index=True)
    picked = found.differs[order[first]]
    return upper_bound(int(picked.sum()), int(picked.size), confidence=CONFIDENCE)


def clustered_bound(found: Comparison) -> float | None:
    """Upper bound of the share over all decisions, for sequences with many of them each (Korn & Graubard 1998).

    The exact bound at the effective number of decisions p(1 − p)/SE², never below that of no difference in as many
    decisions as there are sequences.
    """
    owner = np.unique(found.owner[found.decides], return_inverse=True)[1]
    if not owner.size:
        return None
    sequences, differs = int(owner.max()) + 1, found.differs[found.decides].astype(float)
    share, least = float(differs.mean()), upper_bound(0, sequences, confidence=CONFIDENCE)
    if not 0.0 < share < 1.0:
        return 1.0 if share else least
    half = ratio(differs, owner, sequences)[1]
    error = half / float(special.stdtrit(max(sequences - 1, 1), CONFIDENCE))
    effective = differs.size if not error else min(differs.size, share * (1.0 - share) / error**2)
    return max(least, upper_bound(share * effective, effective, confidence=CONFIDENCE))


def accuracies(found: Comparison) -> tuple[float, float] | None:
    """Closing accuracy of (original, variant); None where nothing is decided."""
    if not found.decides.any():
        return None
    original, variant = found.right[found.decides].mean(axis=0)
    return float(original), float(variant)


def accuracy_bound(found: Comparison) -> float:
    """Largest |difference of closing accuracies| that the data allow, one-sided 95 % each way (TOST)."""
    decided = found.decides
    difference = found.right[decided, 1].astype(float) - found.right[decided, 0].astype(float)
    mean, half = ratio(difference, found.owner[decided], found.sequences)
    return abs(mean) + max(half, 3.0 / found.sequences)
