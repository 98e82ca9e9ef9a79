"""Findings as a table, one row for each verdict: its columns and their types, and the table as CSV.

A spreadsheet runs a cell that begins with =, +, -, @, tab or carriage return as a formula. Text that does so, or that
begins with an apostrophe, is written with an apostrophe in front (OWASP, CSV Injection); numbers are written as
numbers. So a text comes back by taking one leading apostrophe away. A control character is written as ``\\uXXXX`` and a
text is cut at 4,000 characters; in Parquet texts are as they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from auditor.records import Finding, Json
from auditor.report.wording import plain

Cell = str | int | float | bool | None
Type = Literal["string", "integer", "number", "boolean"]

TEXT_LIMIT = 4_000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
ESCAPED_STARTS = (*FORMULA_STARTS, "'")


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Its type is a word of Table Schema (specs.frictionlessdata.io): number is a float of 64 bits."""

    name: str
    type: Type
    about: str


ORIGIN = (
    Column("audit", "string", "id of the audit"),
    Column("model", "string", "name of the model"),
)
"""What comes first where the findings are of several audits."""

COLUMNS = (
    Column("id", "string", "id of the finding"),
    Column("method", "string", "interpretation method that the claim is about"),
    Column("component", "string", "what the claim is about, for example L1H0"),
    Column("layer", "integer", "from 0"),
    Column("head", "integer", "from 0; empty where the component is no head"),
    Column("neuron", "integer", "from 0; empty where the component is no neuron"),
    Column("claim_kind", "string", "what is asserted: value, rank, set, pattern, predicate, comparison, existence …"),
    Column("claim", "string", "the claim in words"),
    Column("equivalence", "string", "change under which it was tested"),
    Column("kind", "string", "exact, behavioural or input"),
    Column("variants", "string", "keys of the variants compared, with blanks between"),
    Column("effect", "number", "worst case over the variants, in the unit of the claim's distance"),
    Column("interval_low", "number", "95 % interval of the effect"),
    Column("interval_high", "number", "95 % interval of the effect"),
    Column("noise_floor", "number", "what other random draws of the method alone move"),
    Column("threshold", "number", "smallest effect that counts"),
    Column("p", "number", "p-value before correction"),
    Column("q", "number", "p-value after correction over the claims of the audit"),
    Column("verdict", "string", "stable, unstable or inconclusive"),
    Column("expected", "string", "what theory predicts: invariant, relabelled, free, changes, diluted or open"),
    Column("contradicts_theory", "boolean", "a claim moved where theory rules it out"),
    Column("worst_variant", "string", "the variant with the largest effect"),
    Column("needed_sequences", "integer", "sequences that would decide it"),
    Column("reason", "string", "why inconclusive or undefined"),
    Column("ceiling", "number", "effect that a random relabelling of the components has on average"),
    Column("mean_effect", "number", "over the variants"),
    Column("mean_low", "number", "95 % interval of the mean effect"),
    Column("mean_high", "number", "95 % interval of the mean effect"),
    Column("quantity", "string", "the number whose range follows"),
    Column("original", "number", "that number on the original"),
    Column("range_low", "number", "its range over the variants of this equivalence"),
    Column("range_high", "number", "its range over the variants of this equivalence"),
    Column("overall_low", "number", "its range over all certified variants"),
    Column("overall_high", "number", "its range over all certified variants"),
    Column("flips", "integer", "variants on which the claim is false"),
    Column("flips_low", "number", "95 % interval of the rate of flips"),
    Column("flips_high", "number", "95 % interval of the rate of flips"),
    Column("invariant", "boolean", "kept by every variant; false: overturned by one; empty: neither is shown"),
    Column("resolved", "boolean", "whether the original itself shows the claim"),
    Column("basis", "string", "what it rests on: theory, exact, behavioural or input"),
)


def table_schema(columns: Sequence[Column] = COLUMNS) -> dict[str, Json]:
    """The columns as a Table Schema, for readers of the CSV or Parquet file."""
    fields: list[Json] = [{"name": one.name, "type": one.type, "description": one.about} for one in columns]
    return {"fields": fields, "missingValues": [""], "primaryKey": [one.name for one in columns if one.name in _KEY]}


_KEY = ("audit", "id")


def findings_csv(findings: Iterable[Finding]) -> str:
    """CSV with a header, lines end in CRLF (RFC 4180); a missing number is an empty cell."""
    return csv_header(COLUMNS) + csv_lines(finding_row(finding) for finding in findings)


def csv_header(columns: Sequence[Column]) -> str:
    """The first line."""
    return csv_lines([[one.name for one in columns]])


def csv_lines(rows: Iterable[Sequence[Cell]]) -> str:
    """Further lines."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def finding_row(finding: Finding) -> tuple[Cell, ...]:
    """The cells of ``COLUMNS``."""
    component = finding.claim.component
    low, high = finding.interval or (None, None)
    return (
        finding.id,
        finding.claim.method,
        component.label,
        component.layer,
        component.head,
        component.neuron,
        finding.claim.kind,
        finding.claim.text,
        finding.equivalence,
        str(finding.kind),
        " ".join(finding.variants),
        finding.effect,
        low,
        high,
        finding.noise_floor,
        finding.threshold,
        finding.p,
        finding.q,
        str(finding.verdict),
        str(finding.expected),
        finding.contradicts_theory,
        finding.worst_variant,
        finding.needed_sequences,
        finding.reason,
        finding.ceiling,
        finding.mean_effect,
        *(finding.mean_interval or (None, None)),
        *_spread(finding),
        finding.invariant,
        finding.resolved,
        str(finding.grounds),
    )


def _spread(finding: Finding) -> tuple[Cell, ...]:
    ranged, flips = finding.rashomon, finding.flips
    ends = (None,) * 6 if ranged is None else (ranged.quantity, ranged.original, *ranged.own, *ranged.overall)
    return (*ends, *((None,) * 3 if flips is None else (flips.flips, *flips.interval)))


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(float(value)) if isinstance(value, float) else str(value)
    risky = value.lstrip(" ").startswith(ESCAPED_STARTS)
    return ("'" if risky else "") + plain(value, TEXT_LIMIT)
