"""Two audits side by side: which claims changed their verdict, by how much, and how the behaviour differs.

Findings are paired by (method, kind of claim, component, equivalence); several with the same key pair in the order of
the reports.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from auditor.records import AuditReport, Behaviour, Finding, Json, Metrics
from auditor.records.axes import SECOND_AXES
from auditor.report.comparability import Obstacle, is_one_function, obstacles
from auditor.report.matrix import SEVERITY

PairKey = tuple[str, str, str, str, int]
"""(method, kind of claim, component, equivalence, ordinal among equal keys)."""


@dataclass(frozen=True, slots=True)
class FindingPair:
    """One claim under one equivalence in both audits."""

    first: Finding
    second: Finding

    @property
    def verdict_changed(self) -> bool:
        """Whether the two audits disagree."""
        return self.first.verdict is not self.second.verdict

    @property
    def effect_difference(self) -> float | None:
        """Second minus first, in the unit of the claim's distance; None where one has no effect."""
        if self.first.effect is None or self.second.effect is None:
            return None
        return self.second.effect - self.first.effect

    @property
    def effect_moved(self) -> bool:
        """Whether the effects differ by more than their 95 % intervals leave open; at all, where one has none."""
        one, other = self.first.interval, self.second.interval
        if self.effect_difference is None or one is None or other is None:
            return self.first.effect != self.second.effect
        return one[1] < other[0] or other[1] < one[0]

    @property
    def differs(self) -> bool:
        """Whether the two audits say something else about the claim."""
        return self.verdict_changed or self.effect_moved

    def to_json(self) -> dict[str, Json]:
        """The pair with what identifies it."""
        return {
            **_identity(self.first),
            "verdicts": [str(self.first.verdict), str(self.second.verdict)],
            "verdict_changed": self.verdict_changed,
            "effects": [self.first.effect, self.second.effect],
            "effect_difference": self.effect_difference,
            "intervals": [_bounds(self.first.interval), _bounds(self.second.interval)],
            "effect_moved": self.effect_moved,
            "findings": [self.first.id, self.second.id],
        }


@dataclass(frozen=True, slots=True)
class MetricPair:
    """One behaviour metric on one range of inputs in both audits."""

    inputs: str  # in_distribution, longer or deeper
    metric: str
    first: float | None
    second: float | None

    @property
    def difference(self) -> float | None:
        """Second minus first."""
        return None if self.first is None or self.second is None else self.second - self.first

    @property
    def differs(self) -> bool:
        """Whether the two audits measured another value."""
        return self.first != self.second

    def to_json(self) -> dict[str, Json]:
        """JSON form."""
        return {
            "inputs": self.inputs,
            "metric": self.metric,
            "values": [self.first, self.second],
            "difference": self.difference,
        }


@dataclass(frozen=True, slots=True)
class AuditDifference:
    """The paired comparison of two audits, ``first`` before ``second``."""

    first: Mapping[str, Json]  # audit id, model name, plan, seed, SHA-256 of weights and of strings
    second: Mapping[str, Json]
    pairs: tuple[FindingPair, ...]  # changed verdicts first, then moved effects, the largest change of each first
    only_first: tuple[Finding, ...]
    only_second: tuple[Finding, ...]
    behaviour: tuple[MetricPair, ...]
    other_strings: bool  # whether the two audits saw different strings: then no change is the models' alone
    obstacles: tuple[Obstacle, ...] = ()  # all that the two audits do not share, the strings among it
    one_function: bool | None = None  # whether the two models compute one function; None: not known

    SCHEMA: ClassVar[str] = "dyck-audit/difference/1"

    @property
    def changed(self) -> tuple[FindingPair, ...]:
        """The pairs with two verdicts."""
        return tuple(pair for pair in self.pairs if pair.verdict_changed)

    @property
    def moved(self) -> tuple[FindingPair, ...]:
        """The pairs with one verdict whose effects differ by more than their intervals leave open."""
        return tuple(pair for pair in self.pairs if pair.effect_moved and not pair.verdict_changed)

    @property
    def transitions(self) -> dict[tuple[str, str], int]:
        """How many pairs went from one verdict to another."""
        return dict(Counter((str(pair.first.verdict), str(pair.second.verdict)) for pair in self.changed))

    def to_json(self, *, all_pairs: bool = True) -> dict[str, Json]:
        """One JSON document; pairs and metrics that do not differ only with ``all_pairs``."""
        return {
            "schema": self.SCHEMA,
            "comparable": not self.obstacles,
            "not_comparable": [obstacle.to_json() for obstacle in self.obstacles],
            "one_function": self.one_function,
            "audits": [dict(self.first), dict(self.second)],
            "other_strings": self.other_strings,
            "compared": len(self.pairs),
            "changed": len(self.changed),
            "moved": len(self.moved),
            "transitions": [
                {"from": old, "to": new, "count": count} for (old, new), count in sorted(self.transitions.items())
            ],
            "pairs": [pair.to_json() for pair in self.pairs if all_pairs or pair.differs],
            "only_first": [{**_identity(finding), "finding": finding.id} for finding in self.only_first],
            "only_second": [{**_identity(finding), "finding": finding.id} for finding in self.only_second],
            "behaviour": [pair.to_json() for pair in self.behaviour if all_pairs or pair.differs],
        }


def compare(report_a: AuditReport, report_b: AuditReport) -> AuditDifference:
    """Pair the findings and the behaviour of two reports."""
    first, second = _keyed(report_a.findings), _keyed(report_b.findings)
    pairs = [FindingPair(finding, second[key]) for key, finding in first.items() if key in second]
    return AuditDifference(
        first=_origin(report_a),
        second=_origin(report_b),
        pairs=tuple(sorted(pairs, key=_by_change)),
        only_first=tuple(finding for key, finding in first.items() if key not in second),
        only_second=tuple(finding for key, finding in second.items() if key not in first),
        behaviour=_metrics(report_a.behaviour, report_b.behaviour),
        other_strings=saw_other_strings(report_a, report_b),
        obstacles=obstacles(report_a, report_b),
        one_function=is_one_function(report_a, report_b),
    )


def saw_other_strings(first: AuditReport, second: AuditReport) -> bool:
    """Whether one of two audits was given strings that the other was not."""
    known = [None if one.audit.strings is None else one.audit.strings.sha256 for one in (first, second)]
    return known[0] != known[1]


def _keyed(findings: Sequence[Finding]) -> dict[PairKey, Finding]:
    seen: Counter[tuple[str, str, str, str]] = Counter()
    keyed = {}
    for finding in findings:
        claim = finding.claim
        seconds = [str(claim.parameters[axis]) for axis in SECOND_AXES if axis in claim.parameters]
        key = (claim.method, claim.kind, " ".join((claim.component.label, *seconds)), finding.equivalence)
        keyed[*key, seen[key]] = finding
        seen[key] += 1
    return keyed


def _bounds(interval: tuple[float, float] | None) -> Json:
    return None if interval is None else list(interval)


def _by_change(pair: FindingPair) -> tuple[bool, bool, int, float, str]:
    change = pair.effect_difference
    severity = min(SEVERITY[pair.first.verdict], SEVERITY[pair.second.verdict])
    size = 0.0 if change is None else abs(change)
    return not pair.verdict_changed, not pair.effect_moved, severity, -size, pair.first.id


def _metrics(first: Behaviour, second: Behaviour) -> tuple[MetricPair, ...]:
    pairs = []
    for inputs in ("in_distribution", "longer", "deeper"):
        old, new = (_numbers(getattr(behaviour, inputs)) for behaviour in (first, second))
        pairs += [
            MetricPair(inputs, metric, old.get(metric), new.get(metric)) for metric in dict.fromkeys([*old, *new])
        ]
    return tuple(pairs)


def _numbers(part: Metrics | None) -> dict[str, float | None]:
    known: dict[str, Json] = {} if part is None else part.to_json()
    return {name: value for name, value in known.items() if value is None or isinstance(value, (int, float))}


def _origin(report: AuditReport) -> dict[str, Json]:
    return {
        "audit": report.audit.id,
        "model": report.model.name,
        "plan": report.audit.plan,
        "seed": report.audit.seed,
        "weights": report.audit.weights_sha256,
        "strings_sha256": None if report.audit.strings is None else report.audit.strings.sha256,
    }


def _identity(finding: Finding) -> dict[str, Json]:
    return {
        "method": finding.claim.method,
        "claim_kind": finding.claim.kind,
        "component": finding.claim.component.label,
        "text": finding.claim.text,
        "equivalence": finding.equivalence,
    }
