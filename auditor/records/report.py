"""Everything one audit found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from auditor.records.behaviour import Behaviour
from auditor.records.finding import Finding
from auditor.records.headers import AuditHeader, Exclusion, ModelHeader
from auditor.records.interpretation import Agreement, Component
from auditor.records.missing import Missing
from auditor.records.record import LEFT_OUT_IF_NONE, Record
from auditor.records.summary import Summary
from auditor.records.values import Json
from auditor.records.variant import Variant


@dataclass(frozen=True, slots=True)
class Illustration(Record):
    """One head's attention on one sequence, original beside variant, to be drawn."""

    variant: str
    component: Component
    tokens: tuple[str, ...]
    original: tuple[tuple[float, ...], ...]  # [query][key], rounded by the maker
    twin: tuple[tuple[float, ...], ...]
    total_variation: float  # mean over queries of this sequence
    openers: tuple[int | None, ...] = field(default=(), metadata=LEFT_OUT_IF_NONE)
    """Per token the place of the last opening bracket that is unmatched after it: what the next one would close."""


@dataclass(frozen=True, slots=True)
class ScoreTable(Record):
    """Mean scores of one method on the original or a variant, in the component order of the original."""

    variant: str
    method: str
    family: str
    unit: str
    sequences: int | None  # None: scores of weights
    components: tuple[Component, ...]
    values: tuple[float | None, ...]
    intervals: tuple[tuple[float, float] | None, ...]  # 95 %
    undefined: Mapping[str, str]  # index of a component → why it has no score
    numerical_error: float | None = field(default=None, metadata=LEFT_OUT_IF_NONE)  # share of the size of the scores
    equal_to_original: Agreement | None = field(default=None, metadata=LEFT_OUT_IF_NONE)  # how that was found


@dataclass(frozen=True, slots=True)
class AuditReport(Record):
    """Everything one audit found. ``to_json`` follows the schema ``dyck-audit/report/1``."""

    audit: AuditHeader
    model: ModelHeader
    behaviour: Behaviour
    variants: tuple[Variant, ...]
    interpretations: tuple[ScoreTable, ...]
    findings: tuple[Finding, ...]
    not_applicable: tuple[Exclusion, ...]
    illustrations: tuple[Illustration, ...]
    summary: Summary
    missing: tuple[Missing, ...] = field(default=(), metadata=LEFT_OUT_IF_NONE)  # of an audit with failures

    SCHEMA: ClassVar[str] = "dyck-audit/report/1"

    @classmethod
    def _after_writing(cls, document: dict[str, Json]) -> dict[str, Json]:
        """The parts in the order of the schema, which is named first."""
        return {"schema": cls.SCHEMA, **document}
