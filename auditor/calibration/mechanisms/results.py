"""What the experiment found: a point for each claim and kind of twin, and the rates that they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from auditor.records import Json
from auditor.records.record import Record
from auditor.seeds import numpy_generator

SCHEMA = "dyck-audit/mechanisms/1"
DRAWS = 9_999
"""Draws of models behind an interval."""


@dataclass(frozen=True, slots=True)
class Point(Record):
    """One claim of one model under one kind of twin. Divergence in nats per scored output."""

    model: str
    claim: str
    standing: str  # forced, replaceable or false
    twin: str
    domain: str
    level: float | None  # the divergence that was allowed; None: as it comes
    kl_mean_nats: float | None  # the largest of its twins; None where it is no number
    certified: int  # twins that pass the certificate
    twins: int
    verdict: str


@dataclass(frozen=True, slots=True)
class UnstableRate(Record):
    """Share of the claims of one standing that one kind of twin overturns, averaged over models."""

    standing: str
    twin: str
    domain: str
    level: float | None
    share: float
    interval: tuple[float, float]  # 95 %, models drawn with replacement
    unstable: int
    inconclusive: int
    claims: int  # of all models, twins that are not certified included
    certified: float  # share of the twins
    kl_mean_nats: float | None  # mean over claims; None where one is no number
    by_model: Mapping[str, float]


@dataclass(frozen=True)
class Experiment:
    """All points, how they were made, and processor seconds."""

    points: tuple[Point, ...]
    settings: Mapping[str, Json]
    seconds: float

    @property
    def rates(self) -> tuple[UnstableRate, ...]:
        """One for each standing, kind of twin, domain and level, in the order of their first point."""
        groups: dict[tuple[str, str, str, float | None], list[Point]] = {}
        for point in self.points:
            groups.setdefault((point.domain, point.twin, point.standing, point.level), []).append(point)
        return tuple(_rate(group) for group in groups.values())

    def to_json(self) -> dict[str, Json]:
        """The document: settings, rates and points."""
        return {
            "schema": SCHEMA,
            "settings": dict(self.settings),
            "rates": [rate.to_json() for rate in self.rates],
            "points": [point.to_json() for point in self.points],
            "cpu_seconds": round(self.seconds, 1),
        }


def _rate(group: list[Point]) -> UnstableRate:
    first = group[0]
    known = [point.kl_mean_nats for point in group if point.kl_mean_nats is not None]
    by_model = {
        model: _share(point.verdict == "unstable" for point in group if point.model == model)
        for model in dict.fromkeys(point.model for point in group)
    }
    return UnstableRate(
        first.standing,
        first.twin,
        first.domain,
        first.level,
        share=float(np.mean([*by_model.values()])),
        interval=_over_models([*by_model.values()]),
        unstable=sum(point.verdict == "unstable" for point in group),
        inconclusive=sum(point.verdict == "inconclusive" for point in group),
        claims=len(group),
        certified=sum(point.certified for point in group) / sum(point.twins for point in group),
        kl_mean_nats=None if len(known) < len(group) else float(np.mean(known)),
        by_model=by_model,
    )


def _share(hits: Iterable[bool]) -> float:
    return float(np.mean([*hits]))


def _over_models(shares: list[float]) -> tuple[float, float]:
    """Percentile interval of the mean over models, which are the independent units."""
    drawn = numpy_generator(0, "mechanisms", "interval").integers(len(shares), size=(DRAWS, len(shares)))
    means = np.asarray(shares)[drawn].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
