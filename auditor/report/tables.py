"""Findings as CSV, one row for each verdict.

A spreadsheet runs a cell that begins with =, +, -, @, tab or carriage return as a formula. Text that does so is written
with an apostrophe in front (OWASP, CSV Injection); numbers are written as numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from auditor.records import Finding
from auditor.report.wording import plain

COLUMNS = (
    "id",
    "method",
    "component",
    "layer",
    "head",
    "neuron",
    "claim_kind",
    "claim",
    "equivalence",
    "kind",
    "variants",
    "effect",
    "interval_low",
    "interval_high",
    "noise_floor",
    "threshold",
    "p",
    "q",
    "verdict",
    "expected",
    "contradicts_theory",
    "worst_variant",
    "needed_sequences",
    "reason",
    "ceiling",
    "mean_effect",
    "mean_low",
    "mean_high",
    "quantity",
    "original",
    "range_low",
    "range_high",
    "overall_low",
    "overall_high",
    "flips",
    "flips_low",
    "flips_high",
    "invariant",
    "resolved",
    "basis",
)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def findings_csv(findings: Iterable[Finding]) -> str:
    """CSV with a header, lines end in CRLF (RFC 4180); a missing number is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in _row(finding)] for finding in findings)
    return text.getvalue()


def _row(finding: Finding) -> tuple[str | int | float | None, ...]:
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
        str(finding.contradicts_theory).lower(),
        finding.worst_variant,
        finding.needed_sequences,
        finding.reason,
        finding.ceiling,
        finding.mean_effect,
        *(finding.mean_interval or (None, None)),
        *_spread(finding),
        _known(finding.invariant),
        _known(finding.resolved),
        str(finding.grounds),
    )


def _spread(finding: Finding) -> tuple[str | int | float | None, ...]:
    ranged, flips = finding.rashomon, finding.flips
    ends = (None,) * 6 if ranged is None else (ranged.quantity, ranged.original, *ranged.own, *ranged.overall)
    return (*ends, *((None,) * 3 if flips is None else (flips.flips, *flips.interval)))


def _known(fact: bool | None) -> str | None:
    return None if fact is None else str(fact).lower()


def _cell(value: str | int | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return repr(float(value)) if isinstance(value, float) else str(value)
    risky = value.lstrip(" ").startswith(FORMULA_STARTS)
    return ("'" if risky else "") + plain(value, 4000)
