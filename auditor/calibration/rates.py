"""Shares of wrong and of undecided verdicts with exact intervals (Clopper & Pearson 1934)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from auditor.records import Json

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


@dataclass(frozen=True, slots=True)
class Rate:
    """hits of trials with the two-sided 95 % interval; trials 0: nothing is known."""

    hits: int
    trials: int

    @property
    def share(self) -> float | None:
        """hits / trials."""
        return self.hits / self.trials if self.trials else None

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper–Pearson; the whole range without trials."""
        if not self.trials:
            return 0.0, 1.0
        found = stats.binomtest(self.hits, self.trials).proportion_ci(CONFIDENCE, method="exact")
        return float(found.low), float(found.high)

    def to_json(self) -> dict[str, Json]:
        """JSON form."""
        return {"hits": self.hits, "trials": self.trials, "share": self.share, "interval": list(self.interval)}


@dataclass(frozen=True, slots=True)
class Rates:
    """Error rates over some cases."""

    false_unstable: Rate  # UNSTABLE among claims that are stable in truth
    false_stable: Rate  # STABLE among claims that are unstable in truth
    inconclusive: Rate  # among claims away from the threshold

    def to_json(self) -> dict[str, Json]:
        """JSON form."""
        return {name: getattr(self, name).to_json() for name in ("false_unstable", "false_stable", "inconclusive")}


def rates_of(cases: Iterable[Case]) -> Rates:
    """Rates over all given cases."""
    known = tuple(cases)
    stable = [case for case in known if case.truth == "stable"]
    unstable = [case for case in known if case.truth == "unstable"]
    away = [case for case in known if case.away]
    return Rates(
        Rate(sum(case.verdict == "unstable" for case in stable), len(stable)),
        Rate(sum(case.verdict == "stable" for case in unstable), len(unstable)),
        Rate(sum(case.verdict == "inconclusive" for case in away), len(away)),
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
        size: Rate(sum(case.verdict == "unstable" for case in group), len(group))
        for size, group in sorted(found.items())
    }


BINS = (-0.08, -0.05, -0.02, 0.0, 0.02, 0.05, 0.1, 0.3)
"""Edges of the effect sizes, effect minus threshold."""


def effect_size(case: Case) -> str:
    """The bin of a case's margin, in words."""
    if case.source == "theorem":
        return "by theorem"
    below = [edge for edge in BINS if edge <= case.margin]
    above = [edge for edge in BINS if edge > case.margin]
    low = f"{below[-1]:+.2f}" if below else "−∞"
    high = f"{above[0]:+.2f}" if above else "∞"
    return f"{low} to {high}"
