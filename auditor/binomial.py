"""Exact bounds of a binomial share (Clopper & Pearson 1934)."""

from __future__ import annotations

from scipy import special


def upper_bound(hits: float, trials: float, *, confidence: float = 0.95) -> float:
    """One-sided: the largest share with at most ``hits`` of ``trials`` in 1 − confidence; 0 of n gives about 3/n.

    Effective numbers of clustered samples need not be whole.
    """
    return 1.0 if hits >= trials else float(special.betaincinv(hits + 1, trials - hits, confidence))


def two_sided(hits: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Both ends of the interval; the whole range without trials."""
    each = (1.0 + confidence) / 2.0
    return 1.0 - upper_bound(trials - hits, trials, confidence=each), upper_bound(hits, trials, confidence=each)
