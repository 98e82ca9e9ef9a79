"""A report as GitHub-flavoured markdown: pastes into a pull request, a notebook or a lab book."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from auditor.records import AuditReport, Finding, Variant, Verdict
from auditor.report.claims import KIND_HEADS, KINDS, SAID, why
from auditor.report.folded import UNTESTED, folded
from auditor.report.matrix import LETTERS, Agreement, Field
from auditor.report.view import ReportView, view_of
from auditor.report.wording import (
    MISSING,
    claim_text,
    counted,
    interval,
    making,
    moment,
    number,
    plain,
    sameness,
    spread,
    standing,
    worst_string,
)

SIGNS = {Verdict.UNSTABLE: "❌ unstable", Verdict.INCONCLUSIVE: "❔ inconclusive", Verdict.STABLE: "✅ stable"}
SPECIAL = re.compile(r"([\\`*_\[\]<>#|~$^&])")


def render_markdown(report: AuditReport, *, max_findings: int = 100) -> str:
    """Headline, stability matrix, findings that are not stable, certificates, behaviour, what to type next."""
    view = view_of(report)
    parts = [
        f"# {_safe(report.model.name)}: {_safe(view.badge)}",
        f"**{_safe(view.headline, 2000)}**",
        _origin(report),
        _by_basis(view),
        f"{_safe(view.strings[:1].upper() + view.strings[1:], 1000)}." if view.strings else "",
        f"Error rates of the audit itself: {_safe(view.calibration, 1000)}.",
        "\n".join(f"- ⚠️ {_safe(warning, 1000)}" for warning in view.warnings),
        "## Which claims can be published" if view.lines else "",
        _claims(view, max_findings),
        "## Method × equivalence",
        _matrix(view),
        "## Findings that are not stable",
        _findings(view, max_findings),
        "## Certificates",
        _certificates(report.variants),
        "## Behaviour",
        _table(["metric", *view.behaviour.ranges], ([name, *values] for name, values in view.behaviour.rows)),
        "\n".join(f"- {_safe(note)}" for note in view.behaviour.notes),
        _not_applicable(report),
        _commands(view),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _origin(report: AuditReport) -> str:
    audit = report.audit
    when = moment(audit.finished_at or audit.created_at)
    return (
        f"Plan {_safe(audit.plan)}, seed {audit.seed}, {audit.sequences} sequences, {_safe(when)}, "
        f"audit {_safe(audit.id)}, model sha256 {_safe(report.model.sha256)}."
    )


def _by_basis(view: ReportView) -> str:
    rows = (
        [line.name, str(line.counts.unstable), str(line.counts.inconclusive), str(line.counts.stable), line.meaning]
        for line in view.by_basis
    )
    return _table(["what verdicts rest on", "unstable", "inconclusive", "stable", "what they say"], rows)


def _claims(view: ReportView, limit: int) -> str:
    if not view.lines:
        return ""
    kinds = [kind for kind in KINDS if any(kind in line.worst for line in view.lines)]
    rows = (
        [
            claim_text(line.claim),
            *(SAID[line.worst[kind].verdict] if kind in line.worst else "–" for kind in kinds),
            "" if line.verdict is Verdict.STABLE else why(line),
        ]
        for line in view.lines[:limit]
    )
    table = _table(["claim", *(KIND_HEADS[kind] for kind in kinds), "what decides"], rows)
    left = len(view.lines) - limit
    return table if left <= 0 else f"{table}\n\n{counted(left, 'claim')} more in the JSON report."


def _matrix(view: ReportView) -> str:
    """Methods down, equivalences across as letters, which the line below names."""
    found = folded(view.matrix)
    if not found.columns:
        return "Nothing was tested."
    names = zip(found.marks, found.columns, strict=True)
    parts = [
        _table(
            ["method", *found.marks], ([row.method, *(_letter(field) for field in row.fields)] for row in found.rows)
        )
        if found.rows
        else "",
        f"Stable under every equivalence: {', '.join(_safe(method) for method in found.calm)}." if found.calm else "",
        ", ".join(f"{mark} {_safe(column.equivalence)}" for mark, column in names) + ".",
        f"{found.legend} {found.theory}.",
    ]
    return "\n\n".join(part for part in parts if part)


def _letter(field: Field) -> str:
    if field.verdict is None:
        return UNTESTED[field.state]
    against = "!" if field.agreement is Agreement.CONTRADICTS else ""
    letter = LETTERS[field.verdict]
    return f"{letter}{against}"


def _findings(view: ReportView, limit: int) -> str:
    unsettled = [finding for finding in view.findings if finding.verdict is not Verdict.STABLE]
    if not unsettled:
        return "None."
    head = ["verdict", "claim", "equivalence", "rests on", "invariant and resolved", "effect", "95 % interval"]
    head += ["range over variants", "theory", "finding"]
    table = _table(head, (_finding(finding) for finding in unsettled[:limit]))
    if len(unsettled) > limit:
        table += f"\n\n{counted(len(unsettled) - limit, 'finding')} more in the CSV and JSON reports."
    return table


def _finding(finding: Finding) -> list[str]:
    return [
        SIGNS[finding.verdict],
        claim_text(finding.claim) + (f" ({finding.reason})" if finding.reason else ""),
        finding.equivalence,
        str(finding.grounds),
        standing(finding),
        number(finding.effect),
        interval(finding.interval),
        spread(finding.rashomon),
        str(finding.expected),
        finding.id,
    ]


def _certificates(variants: Sequence[Variant]) -> str:
    rows = (
        [
            variant.key,
            variant.state.replace("_", " "),
            _evidence(variant),
            making(variant),
            variant.reason or "–",
        ]
        for variant in variants
    )
    return _table(["variant", "state", "evidence", "made in", "why not"], rows)


def _evidence(variant: Variant) -> str:
    """How closely it computes the function, and the string on which it does least."""
    found = variant.certificate
    if found is None:
        return MISSING
    worst = worst_string(found.worst_string)
    return sameness(found, variant.kind) + (f"; worst string {worst}" if worst else "")


def _not_applicable(report: AuditReport) -> str:
    if not report.not_applicable:
        return ""
    rows = ([entry.what, entry.label, entry.why] for entry in report.not_applicable)
    return "## Not applicable\n\n" + _table(["what", "name", "why"], rows)


def _commands(view: ReportView) -> str:
    if not view.commands:
        return ""
    return "\n".join(["## Check it yourself\n\n```sh", *(f"{typed}  # {what}" for what, typed in view.commands), "```"])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(head), "|" + " --- |" * len(head), *(_line(row) for row in rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_safe(cell) for cell in cells) + " |"


def _safe(text: object, limit: int = 300) -> str:
    """One line in which markdown, HTML and @mentions have no effect."""
    return SPECIAL.sub(r"\\\1", plain(text, limit)).replace("@", "@&#8203;")
