"""How far a claim goes over the variants: its Rashomon interval, and how often it is false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from auditor.records.record import Record

Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class RashomonInterval(Record):
    """Smallest and largest value of what a claim is about, over models that compute one function.

    Both intervals hold the original's own value. ``own`` runs over the certified variants of one equivalence,
    ``overall`` over those of all equivalences of the audit. Source: Fisher, Rudin & Dominici 2019, JMLR 20 (177).
    """

    quantity: str  # score, rank (1 is the top), jaccard_distance, or the name of a distance
    original: float
    own: Ends
    overall: Ends
    variants: int  # how many ``overall`` runs over, without the original


@dataclass(frozen=True, slots=True)
class FlipRate(Record):
    """On how many variants a claim of the yes-or-no kind is false, with the Wilson interval of the rate."""

    DERIVED: ClassVar[tuple[str, ...]] = ("rate",)

    flips: int
    variants: int
    interval: Ends

    @property
    def rate(self) -> float:
        """Share of the variants."""
        return self.flips / self.variants
