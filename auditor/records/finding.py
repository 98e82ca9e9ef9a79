"""Claims and the verdicts on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from auditor.records.interpretation import Component
from auditor.records.spread import FlipRate, RashomonInterval
from auditor.records.states import Expected, Kind, Verdict
from auditor.records.values import Json


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody asserts about a component, and the unit of a verdict.

    ========== ============================================================== =====================================
    kind       parameters                                                     what is asserted
    ========== ============================================================== =====================================
    value      ``score``                                                      the component scores this
    rank       ``top``                                                        it is among the ``top`` that score most
    set        ``members``: labels, the component's own among them            they score more than all others
    pattern                                                                   its scores are laid out as drawn
    predicate  ``predicate``: name, ``threshold``, ``above``: false for "<"   its mean score is at least ``threshold``
    ========== ============================================================== =====================================
    """

    method: str
    kind: str
    component: Component
    text: str
    parameters: Mapping[str, Json] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What tells two claims of one audit apart: all that is asserted but the score that was seen."""
        particulars = {name: value for name, value in self.parameters.items() if name != "score"}
        return self.method, self.kind, self.component.label, json.dumps(particulars, sort_keys=True)

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
    effect: float | None  # worst case over the variants less the noise floor, in the unit of the claim's distance
    interval: tuple[float, float] | None  # 95 % of the worst case, its lower end less the noise floor
    noise_floor: float | None
    threshold: float
    p: float | None
    q: float | None
    verdict: Verdict
    expected: Expected
    worst_variant: str | None
    needed_sequences: int | None = None
    reason: str = ""  # why inconclusive or undefined
    ceiling: float | None = None  # effect that a random relabelling of the components has on average
    mean_effect: float | None = None  # over the variants, where there are several
    mean_interval: tuple[float, float] | None = None  # 95 %, variants drawn first and then sequences
    rashomon: RashomonInterval | None = None
    flips: FlipRate | None = None  # of rank, set and predicate claims

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
            "ceiling": self.ceiling,
            "mean_effect": self.mean_effect,
            "mean_interval": None if self.mean_interval is None else list(self.mean_interval),
            "rashomon": None if self.rashomon is None else self.rashomon.to_json(),
            "flips": None if self.flips is None else self.flips.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Finding:
        """Inverse of :meth:`to_json`; reports of earlier versions lack the last five fields."""
        claim, rashomon, flips = data["claim"], data.get("rashomon"), data.get("flips")
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
            interval=_ends(data.get("interval")),
            noise_floor=data["noise_floor"],
            threshold=data["threshold"],
            p=data["p"],
            q=data["q"],
            verdict=Verdict(data["verdict"]),
            expected=Expected(data["expected"]),
            worst_variant=data["worst_variant"],
            needed_sequences=data.get("needed_sequences"),
            reason=data.get("reason", ""),
            ceiling=data.get("ceiling"),
            mean_effect=data.get("mean_effect"),
            mean_interval=_ends(data.get("mean_interval")),
            rashomon=None if rashomon is None else RashomonInterval.from_json(rashomon),
            flips=None if flips is None else FlipRate.from_json(flips),
        )


def _ends(bounds: Json) -> tuple[float, float] | None:
    return None if bounds is None else (float(bounds[0]), float(bounds[1]))
