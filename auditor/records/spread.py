"""How far a claim goes over the variants: its Rashomon interval, and how often it is false."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.records.values import Json

Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class RashomonInterval:
    """Smallest and largest value of what a claim is about, over models that compute one function.

    Both intervals hold the original's own value. ``own`` runs over the certified variants of one equivalence,
    ``overall`` over those of all equivalences of the audit. Source: Fisher, Rudin & Dominici 2019, JMLR 20 (177).
    """

    quantity: str  # score, rank (1 is the top), jaccard_distance, or the name of a distance
    original: float
    own: Ends
    overall: Ends
    variants: int  # how many ``overall`` runs over, without the original

    def to_json(self) -> dict[str, Json]:
        """JSON form of every field."""
        return {
            "quantity": self.quantity,
            "original": self.original,
            "own": list(self.own),
            "overall": list(self.overall),
            "variants": self.variants,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> RashomonInterval:
        """Inverse of :meth:`to_json`."""
        own, overall = ((float(data[name][0]), float(data[name][1])) for name in ("own", "overall"))
        return cls(data["quantity"], data["original"], own, overall, data["variants"])


@dataclass(frozen=True, slots=True)
class FlipRate:
    """On how many variants a claim of the yes-or-no kind is false, with the Wilson interval of the rate."""

    flips: int
    variants: int
    interval: Ends

    @property
    def rate(self) -> float:
        """Share of the variants."""
        return self.flips / self.variants

    def to_json(self) -> dict[str, Json]:
        """JSON form, with the rate."""
        return {
            "flips": self.flips,
            "variants": self.variants,
            "rate": self.rate,
            "interval": list(self.interval),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> FlipRate:
        """Inverse of :meth:`to_json`."""
        return cls(data["flips"], data["variants"], (float(data["interval"][0]), float(data["interval"][1])))
