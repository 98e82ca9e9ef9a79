"""The audit's own error rates, as they were measured on planted truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.records.record import Record
from auditor.records.values import Json


@dataclass(frozen=True, slots=True)
class Rate(Record):
    """``hits`` of ``trials``; trials 0: nothing is known."""

    hits: int
    trials: int
    share: float | None
    interval: tuple[float, float]  # two-sided, 95 %, Clopper & Pearson 1934; the whole range without trials


@dataclass(frozen=True, slots=True)
class Rates(Record):
    """Error rates over some cases."""

    false_unstable: Rate  # UNSTABLE among claims that are stable in truth
    false_stable: Rate  # STABLE among claims that are unstable in truth
    inconclusive: Rate  # among claims away from the threshold


@dataclass(frozen=True, slots=True)
class MeasuredRates(Record):
    """One calibration as it is printed and stored: all cases, then by method, claim, source and effect size."""

    schema: str
    settings: Mapping[str, Json]
    cases: int
    rates: Rates
    by: Mapping[str, Mapping[str, Rates]]
    power: Mapping[str, Rate]  # by number of sequences
    failures: tuple[str, ...]
    passed: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class CalibrationFacts(Record):
    """What a report repeats of the newest calibration with the same versions and settings."""

    id: str
    created_at: str
    cases: int
    rates: Rates
    by: Mapping[str, Mapping[str, Rates]]
    power: Mapping[str, Rate]
    settings: Mapping[str, Json]
    passed: bool
