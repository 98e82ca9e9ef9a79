"""Claims and the verdicts on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from auditor.records.interpretation import Component
from auditor.records.states import Expected, Kind, Verdict
from auditor.records.values import Json


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody asserts about a component, and the unit of a verdict."""

    method: str
    kind: str  # value, rank or pattern
    component: Component
    text: str
    parameters: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """JSON form without method and component, which stand beside it in a finding."""
        return {"kind": self.kind, "text": self.text, "parameters": dict(self.parameters)}


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one claim under one equivalence, over all its certified variants."""

    id: str
    claim: Claim
    equivalence: str
    kind: Kind
    variants: tuple[str, ...]  # keys of the variants compared
    effect: float | None  # worst case over the variants, in the unit of the claim's distance
    interval: tuple[float, float] | None  # 95 %
    noise_floor: float | None
    threshold: float
    p: float | None
    q: float | None
    verdict: Verdict
    expected: Expected
    worst_variant: str | None
    needed_sequences: int | None = None
    reason: str = ""  # why inconclusive or undefined

    @property
    def contradicts_theory(self) -> bool:
        """A claim moved where theory says it cannot: a defect in the method, not in the model."""
        return self.verdict is Verdict.UNSTABLE and self.expected in (Expected.INVARIANT, Expected.RELABELLED)

    def to_json(self) -> dict[str, Json]:
        """The finding as in the report schema."""
        return {
            "id": self.id,
            "method": self.claim.method,
            "component": {**self.claim.component.to_json(), "label": self.claim.component.label},
            "claim": self.claim.to_json(),
            "equivalence": self.equivalence,
            "kind": str(self.kind),
            "variants": list(self.variants),
            "effect": self.effect,
            "interval": None if self.interval is None else list(self.interval),
            "noise_floor": self.noise_floor,
            "threshold": self.threshold,
            "p": self.p,
            "q": self.q,
            "verdict": str(self.verdict),
            "expected": str(self.expected),
            "contradicts_theory": self.contradicts_theory,
            "worst_variant": self.worst_variant,
            "needed_sequences": self.needed_sequences,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Finding:
        """Inverse of :meth:`to_json`."""
        claim = data["claim"]
        interval = data.get("interval")
        return cls(
            id=data["id"],
            claim=Claim(
                method=data["method"],
                kind=claim["kind"],
                component=Component.from_json(data["component"]),
                text=claim["text"],
                parameters=claim.get("parameters", {}),
            ),
            equivalence=data["equivalence"],
            kind=Kind(data["kind"]),
            variants=tuple(data["variants"]),
            effect=data["effect"],
            interval=None if interval is None else (float(interval[0]), float(interval[1])),
            noise_floor=data["noise_floor"],
            threshold=data["threshold"],
            p=data["p"],
            q=data["q"],
            verdict=Verdict(data["verdict"]),
            expected=Expected(data["expected"]),
            worst_variant=data["worst_variant"],
            needed_sequences=data.get("needed_sequences"),
            reason=data.get("reason", ""),
        )
