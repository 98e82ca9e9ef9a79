"""Everything one audit found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.records.finding import Finding
from auditor.records.interpretation import Component
from auditor.records.values import Json
from auditor.records.variant import Variant


@dataclass(frozen=True, slots=True)
class Illustration:
    """One head's attention on one sequence, original beside variant, for the reader's eye."""

    variant: str
    component: Component
    tokens: tuple[str, ...]
    original: tuple[tuple[float, ...], ...]  # [query][key]
    twin: tuple[tuple[float, ...], ...]
    total_variation: float  # mean over queries of this sequence

    def to_json(self) -> dict[str, Json]:
        """JSON form; weights rounded by the maker."""
        return {
            "variant": self.variant,
            "component": {**self.component.to_json(), "label": self.component.label},
            "tokens": list(self.tokens),
            "original": [list(row) for row in self.original],
            "twin": [list(row) for row in self.twin],
            "total_variation": self.total_variation,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Illustration:
        """Inverse of :meth:`to_json`."""
        return cls(
            variant=data["variant"],
            component=Component.from_json(data["component"]),
            tokens=tuple(data["tokens"]),
            original=tuple(tuple(row) for row in data["original"]),
            twin=tuple(tuple(row) for row in data["twin"]),
            total_variation=data["total_variation"],
        )


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Everything one audit found. ``to_json`` follows the schema ``dyck-audit/report/1``."""

    audit: Mapping[
        str, Json
    ]  # id, created_at, finished_at, plan, seed, state, versions, weights_sha256, sequences, device
    model: Mapping[str, Json]  # id, name, format, sha256, function_fingerprint, architecture, task
    behaviour: Mapping[str, Json]  # in_distribution, longer, deeper
    variants: tuple[Variant, ...]
    interpretations: tuple[Mapping[str, Json], ...]
    findings: tuple[Finding, ...]
    not_applicable: tuple[
        Mapping[str, str], ...
    ]  # {"what": "method"|"equivalence", "name": …, "why": …}; "equivalence" where a method fails one only
    illustrations: tuple[Illustration, ...]
    summary: Mapping[str, Json]

    SCHEMA = "dyck-audit/report/1"

    def to_json(self) -> dict[str, Json]:
        """One JSON document; no NaN or infinity."""
        return {
            "schema": self.SCHEMA,
            "audit": dict(self.audit),
            "model": dict(self.model),
            "behaviour": dict(self.behaviour),
            "variants": [variant.to_json() for variant in self.variants],
            "interpretations": [dict(entry) for entry in self.interpretations],
            "findings": [finding.to_json() for finding in self.findings],
            "not_applicable": [dict(entry) for entry in self.not_applicable],
            "illustrations": [picture.to_json() for picture in self.illustrations],
            "summary": dict(self.summary),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> AuditReport:
        """Inverse of :meth:`to_json`."""
        return cls(
            audit=data["audit"],
            model=data["model"],
            behaviour=data["behaviour"],
            variants=tuple(Variant.from_json(entry) for entry in data["variants"]),
            interpretations=tuple(data["interpretations"]),
            findings=tuple(Finding.from_json(entry) for entry in data["findings"]),
            not_applicable=tuple(data["not_applicable"]),
            illustrations=tuple(Illustration.from_json(entry) for entry in data["illustrations"]),
            summary=data["summary"],
        )
