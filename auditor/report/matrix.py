"""The stability matrix: method × equivalence, each field with its counts, its worst claim and what theory expects.

A field without verdicts has the reason: not applicable, not certified, or no claim to test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from auditor.records import (
    ORIGINAL,
    AuditReport,
    Exclusion,
    Expected,
    Finding,
    Kind,
    Missing,
    Stage,
    Variant,
    VariantState,
    Verdict,
)

SEVERITY = {Verdict.UNSTABLE: 0, Verdict.INCONCLUSIVE: 1, Verdict.STABLE: 2}
LETTERS = {Verdict.UNSTABLE: "U", Verdict.INCONCLUSIVE: "I", Verdict.STABLE: "S"}
OF_SCORES = ("value", "pattern")
"""Kinds of claims about the scores themselves, which any change of them overturns."""

CLAIM_ORDER = ("rank", "set", "predicate", "comparison", "existence", "conjunction", "agreement", "pattern", "value")
"""Kinds of claims, the ones that people publish first; others come last."""


class FieldState(StrEnum):
    """What a field of the matrix holds."""

    TESTED = "tested"
    NOT_CERTIFIED = "not certified"
    NOT_APPLICABLE = "not applicable"
    NO_CLAIM = "no claim"
    MISSING = "missing"  # its cell failed


class Agreement(StrEnum):
    """Whether the verdicts are what theory predicts."""

    AGREES = "agrees"
    CONTRADICTS = "contradicts"  # a claim moved where theory rules it out
    NOT_SEEN = "not_seen"  # theory allows a change, the variants did not show one
    UNDECIDED = "undecided"
    NO_PREDICTION = "no_prediction"


@dataclass(frozen=True, slots=True)
class Field:
    """One method under one equivalence."""

    method: str
    equivalence: str
    state: FieldState
    stable: int = 0
    unstable: int = 0
    inconclusive: int = 0
    worst: Finding | None = None
    expected: str = ""
    agreement: Agreement = Agreement.NO_PREDICTION
    reason: str = ""  # why there are no verdicts, or why some variants are missing

    @property
    def total(self) -> int:
        """Number of verdicts."""
        return self.stable + self.unstable + self.inconclusive

    @property
    def verdict(self) -> Verdict | None:
        """The worst verdict of the field."""
        return None if self.worst is None else self.worst.verdict

    @property
    def count(self) -> int:
        """How many claims have the worst verdict."""
        return {Verdict.UNSTABLE: self.unstable, Verdict.INCONCLUSIVE: self.inconclusive}.get(
            self.verdict or Verdict.STABLE, self.stable
        )


@dataclass(frozen=True, slots=True)
class Column:
    """One equivalence of the matrix."""

    equivalence: str
    kind: Kind | None  # None where no variant could be made


@dataclass(frozen=True, slots=True)
class Row:
    """One method and its fields, in the order of the columns."""

    method: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One equivalence and its fields, in the order of the methods: how people read the matrix."""

    column: Column
    fields: tuple[Field, ...]

    @property
    def excuse(self) -> str:
        """Why no method was tested under this equivalence; empty when one was."""
        if any(field.state not in (FieldState.NOT_APPLICABLE, FieldState.NO_CLAIM) for field in self.fields):
            return ""
        return next((field.reason for field in self.fields if field.reason), "no claim to test")

    @property
    def order(self) -> tuple[bool, int]:
        """Sort key: what overturns most first, what was not tested last."""
        unstable = sum(field.verdict is Verdict.UNSTABLE for field in self.fields)
        return bool(self.excuse), -unstable


@dataclass(frozen=True, slots=True)
class Matrix:
    """Methods × equivalences."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def fields(self) -> Iterable[Field]:
        """All fields, row by row."""
        return (field for row in self.rows for field in row.fields)

    def lines(self) -> tuple[Line, ...]:
        """The matrix with equivalences down and methods across, the most telling equivalence first."""
        across = zip(*(row.fields for row in self.rows), strict=True)
        lines = [Line(column, fields) for column, fields in zip(self.columns, across, strict=False)]
        return tuple(sorted(lines, key=lambda line: line.order))


def stability_matrix(
    findings: Sequence[Finding],
    variants: Sequence[Variant],
    not_applicable: Sequence[Exclusion],
    *,
    methods: Iterable[str] = (),
    missing: Sequence[Missing] = (),
) -> Matrix:
    """The matrix over every method and equivalence named anywhere, in order of first appearance, exact first."""
    lost = _lost(missing)
    excluded = {_excluded(entry): entry.why for entry in not_applicable}
    kinds: dict[str, Kind] = {variant.equivalence: variant.kind for variant in variants}
    kinds.update({finding.equivalence: finding.kind for finding in findings})
    named = dict.fromkeys([*kinds, *(name for what, name in excluded if what == "equivalence")])
    named |= dict.fromkeys(one.equivalence for one in missing if one.stage is Stage.BUILD)
    columns = sorted(named, key=lambda name: _KIND_ORDER.index(kinds.get(name)))
    names = dict.fromkeys([*methods, *(finding.claim.method for finding in findings)])
    names |= dict.fromkeys(name for what, name in excluded if what == "method")
    names |= dict.fromkeys(method for one in missing for method in one.methods)
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.claim.method, finding.equivalence), []).append(finding)
    rows = tuple(
        Row(
            method,
            tuple(_field(method, name, groups.get((method, name), []), variants, excluded, lost) for name in columns),
        )
        for method in names
    )
    return Matrix(tuple(Column(name, kinds.get(name)) for name in columns), rows)


def matrix_of(report: AuditReport) -> Matrix:
    """The stability matrix of a report."""
    methods = dict.fromkeys(entry.method for entry in report.interpretations)
    return stability_matrix(
        report.findings, report.variants, report.not_applicable, methods=methods, missing=report.missing
    )


def by_severity(finding: Finding) -> tuple[int, float, str]:
    """Sort key: unstable first, then the largest effect; the id breaks ties."""
    return SEVERITY[finding.verdict], -(finding.effect or 0.0), finding.id


def by_weight(finding: Finding) -> tuple[int, int, bool, float, str]:
    """Sort key for what a report states first: verdict, published kinds of claims, exact before behavioural, effect."""
    kind = finding.claim.kind
    order = CLAIM_ORDER.index(kind) if kind in CLAIM_ORDER else len(CLAIM_ORDER)
    return (
        SEVERITY[finding.verdict],
        order,
        finding.kind is not Kind.EXACT,
        -(finding.effect or 0.0),
        finding.id,
    )


def agreement_of(expected: Expected, findings: Sequence[Finding]) -> Agreement:
    """Compare the verdicts of one field with what theory predicts for it.

    Theory is about what changes, whether or not the original resolves the claim.
    """
    moved = any(finding.verdict is Verdict.UNSTABLE for finding in findings)
    decided = all(finding.verdict is not Verdict.INCONCLUSIVE or finding.invariant for finding in findings)
    if expected is Expected.OPEN:
        return Agreement.NO_PREDICTION
    if expected in (Expected.INVARIANT, Expected.RELABELLED):
        settled = Agreement.CONTRADICTS if moved else Agreement.AGREES
        return settled if moved or decided else Agreement.UNDECIDED
    if moved:
        return Agreement.AGREES
    if expected is Expected.CHANGES and not any(finding.claim.kind in OF_SCORES for finding in findings):
        return Agreement.NO_PREDICTION  # scores change, which need not change an order or a bound
    return Agreement.NOT_SEEN if decided else Agreement.UNDECIDED


def _field(
    method: str,
    equivalence: str,
    findings: Sequence[Finding],
    variants: Sequence[Variant],
    excluded: Mapping[tuple[str, str], str],
    lost: Mapping[tuple[str, str], str],
) -> Field:
    own = [variant for variant in variants if variant.equivalence == equivalence]
    hole = lost.get((method, equivalence)) or lost.get((method, ORIGINAL), "")
    if not findings and hole:
        return Field(method, equivalence, FieldState.MISSING, reason=hole)
    if not findings:
        state, reason = _why_untested(method, equivalence, own, excluded)
        return Field(method, equivalence, state, reason=reason)
    verdicts = Counter(finding.verdict for finding in findings)
    expectations = dict.fromkeys(finding.expected for finding in findings)
    outcomes = [
        agreement_of(expected, [finding for finding in findings if finding.expected is expected])
        for expected in expectations
    ]
    missing = [f"{variant.key}: {variant.reason}" for variant in own if variant.state is not VariantState.CERTIFIED]
    missing += [hole] if hole else []
    return Field(
        method,
        equivalence,
        FieldState.TESTED,
        stable=verdicts[Verdict.STABLE],
        unstable=verdicts[Verdict.UNSTABLE],
        inconclusive=verdicts[Verdict.INCONCLUSIVE],
        worst=min(findings, key=by_severity),
        expected=" / ".join(expectations),
        agreement=min(outcomes, key=_AGREEMENT_ORDER.index),
        reason="; ".join(missing),
    )


_KIND_ORDER = (*Kind, None)
_AGREEMENT_ORDER = (
    Agreement.CONTRADICTS,
    Agreement.NOT_SEEN,
    Agreement.UNDECIDED,
    Agreement.AGREES,
    Agreement.NO_PREDICTION,
)


def _lost(missing: Sequence[Missing]) -> dict[tuple[str, str], str]:
    """(method, equivalence or ORIGINAL) → the cell that is missing there, and why."""
    return {(method, one.equivalence): f"{one.cell} is missing: {one.why}" for one in missing for method in one.methods}


def _excluded(entry: Exclusion) -> tuple[str, str]:
    """("method", name), ("equivalence", name), or (method, equivalence) for one field."""
    return (entry.what, entry.name) if entry.equivalence is None else (entry.name, entry.equivalence)


def _why_untested(
    method: str, equivalence: str, own: Sequence[Variant], excluded: Mapping[tuple[str, str], str]
) -> tuple[FieldState, str]:
    for place in (("method", method), ("equivalence", equivalence), (method, equivalence)):
        if place in excluded:
            return FieldState.NOT_APPLICABLE, excluded[place]
    reasons = {state: [variant.reason for variant in own if variant.state is state] for state in VariantState}
    if reasons[VariantState.CERTIFIED]:
        return FieldState.NO_CLAIM, "the method made no claim that could be tested here"
    if reasons[VariantState.NOT_CERTIFIED]:
        return FieldState.NOT_CERTIFIED, "; ".join(dict.fromkeys(reasons[VariantState.NOT_CERTIFIED]))
    if reasons[VariantState.NOT_APPLICABLE]:
        return FieldState.NOT_APPLICABLE, "; ".join(dict.fromkeys(reasons[VariantState.NOT_APPLICABLE]))
    return FieldState.NO_CLAIM, "no variant was made"
