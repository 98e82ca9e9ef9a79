"""Shares of wrong and of undecided verdicts with exact intervals (Clopper & Pearson 1934)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from auditor.binomial import two_sided
from auditor.records import Rate, Rates

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Case:
    """One verdict whose truth is known."""

    source: str  # theorem, ladder, noise, random
    method: str
    claim: str  # kind of claim
    rung: str
    truth: str  # stable or unstable
    margin: float  # effect minus threshold; by theorem infinite in effect, written as ±1
    away: bool  # far enough from the threshold to be decided
    sequences: int
    verdict: str
    first: str = ""  # the verdict at the first look, where there are several


def rate(hits: int, trials: int) -> Rate:
    """The share with its interval."""
    return Rate(hits, trials, hits / trials if trials else None, two_sided(hits, trials, confidence=CONFIDENCE))


def rates_of(cases: Iterable[Case]) -> Rates:
    """Rates over all given cases."""
    known = tuple(cases)
    stable = [case for case in known if case.truth == "stable"]
    unstable = [case for case in known if case.truth == "unstable"]
    away = [case for case in known if case.away]
    return Rates(
        rate(sum(case.verdict == "unstable" for case in stable), len(stable)),
        rate(sum(case.verdict == "stable" for case in unstable), len(unstable)),
        rate(sum(case.verdict == "inconclusive" for case in away), len(away)),
    )


def rates_by(cases: Sequence[Case], key: Callable[[Case], str]) -> Mapping[str, Rates]:
    """Rates of the groups that a key makes, in the order of their first case."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(key(case), []).append(case)
    return {name: rates_of(group) for name, group in groups.items()}


def power(cases: Sequence[Case]) -> Mapping[int, Rate]:
    """Share of the claims that are unstable in truth, away from the threshold, that are found so; by sequences."""
    found: dict[int, list[Case]] = {}
    for case in cases:
        if case.truth == "unstable" and case.away:
            found.setdefault(case.sequences, []).append(case)
    return {
        size: rate(sum(case.verdict == "unstable" for case in group), len(group))
        for size, group in sorted(found.items())
    }


NEAR, MIDDLE = "+0.05 to +0.10", "+0.10 to +0.30"
"""Effect sizes whose undecided share has a goal of its own."""

BINS = (-0.08, -0.05, -0.02, 0.0, 0.02, 0.05, 0.1, 0.3)
"""Edges of the effect sizes, effect minus threshold."""


def effect_size(case: Case) -> str:
    """The bin of a case's margin, in words."""
    return "by theorem" if case.source == "theorem" else bin_of(case.margin)


def bin_of(margin: float) -> str:
    """The bin of an effect minus its threshold, in words."""
    below = [edge for edge in BINS if edge <= margin]
    above = [edge for edge in BINS if edge > margin]
    low = f"{below[-1]:+.2f}" if below else "−∞"
    high = f"{above[0]:+.2f}" if above else "∞"
    return f"{low} to {high}"
