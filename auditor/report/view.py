"""What a reader of one report sees, in reading order; the page, the terminal and the markdown text draw from this."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.records import (
    AuditReport,
    AuditState,
    Basis,
    Behaviour,
    ClaimCounts,
    Finding,
    Json,
    Kind,
    Variant,
    VariantState,
    Verdict,
    VerdictCounts,
)
from auditor.report.claims import ClaimLine, claim_lines
from auditor.report.matrix import Agreement, Matrix, by_severity, by_weight, matrix_of
from auditor.report.story import LOCAL, Story, story_of
from auditor.report.summary import leading_of
from auditor.report.wording import (
    calibration,
    counted,
    given_strings,
    number,
    plain,
    reuse,
    setting,
    share,
    with_failures,
    words,
)

RANGES = ("in_distribution", "longer", "deeper")
"""Parts of the behaviour, in reading order."""

SHARES = frozenset({"closing_accuracy", "argmax_accuracy"})


@dataclass(frozen=True, slots=True)
class Notable:
    """The finding that is shown for one field of the matrix, and how many more like it the field holds."""

    finding: Finding
    more: int
    witness: Variant | None


@dataclass(frozen=True, slots=True)
class BehaviourTable:
    """Metrics × ranges of inputs, already worded; ``notes`` give the reason for a missing number."""

    ranges: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BasisLine:
    """How many verdicts rest on one thing."""

    name: str
    counts: VerdictCounts
    meaning: str


BASES: Mapping[Basis, tuple[str, str]] = {
    Basis.THEORY: ("exact, determined by theory", "they check the code of the methods, not the model"),
    Basis.EXACT: ("exact, open in theory", "models with the same function"),
    Basis.BEHAVIOURAL: ("behavioural", "other models with the same behaviour"),
    Basis.INPUT: ("inputs", "other inputs that call for the same decisions"),
}
"""How each basis is named and what it says."""


@dataclass(frozen=True, slots=True)
class ReportView:
    """The parts of a report in reading order."""

    report: AuditReport
    badge: str  # first word of the headline: UNSTABLE, INCONCLUSIVE, STABLE or NO VERDICT
    headline: str  # the rest of it
    claims: ClaimCounts
    lines: tuple[ClaimLine, ...]  # which claims can be published
    stories: tuple[Story, ...]  # the finding of the headline; then the worst under a twin of the same behaviour
    by_basis: tuple[BasisLine, ...]  # the verdicts apart by what they rest on; only where there are some
    certified: int
    strings: str  # the user's own strings; empty where they were drawn from the task
    reuse: str  # which twins earlier audits made; empty when none
    calibration: str  # the audit's own error rates, in a sentence
    warnings: tuple[str, ...]
    matrix: Matrix
    notable: tuple[Notable, ...]
    findings: tuple[Finding, ...]  # unstable first, largest effect first
    behaviour: BehaviourTable
    commands: tuple[tuple[str, str], ...]  # (what it does, what to type)


def view_of(report: AuditReport) -> ReportView:
    """Arrange a report for reading."""
    badge, _, rest = plain(report.summary.headline, 2000).partition(": ")
    matrix = matrix_of(report)
    notable = _notable(report)
    return ReportView(
        report=report,
        badge=badge,
        headline=rest[:1].upper() + rest[1:],
        claims=report.summary.claims,
        lines=claim_lines(report),
        stories=tuple(story_of(report, finding) for finding in _told(report.findings)),
        by_basis=_by_basis(report),
        certified=sum(variant.state is VariantState.CERTIFIED for variant in report.variants),
        strings=given_strings(report.audit.strings),
        reuse=reuse(report.variants),
        calibration=calibration(report.audit.calibration),
        warnings=_warnings(report, matrix),
        matrix=matrix,
        notable=notable,
        findings=tuple(sorted(report.findings, key=by_severity)),
        behaviour=behaviour_table(report.behaviour),
        commands=_commands(report, notable),
    )


def _told(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    leading = leading_of(findings)
    if leading is None:
        return ()
    fallen = [
        finding
        for finding in findings
        if finding.verdict is Verdict.UNSTABLE and finding.kind is Kind.BEHAVIOURAL and finding != leading
    ]
    if not fallen or leading.kind is Kind.BEHAVIOURAL:
        return (leading,)
    patterns = [finding for finding in fallen if finding.claim.kind == "pattern"]
    return leading, min(patterns or fallen, key=by_weight)


def _by_basis(report: AuditReport) -> tuple[BasisLine, ...]:
    lines = []
    for basis, (name, meaning) in BASES.items():
        verdicts = Counter(finding.verdict for finding in report.findings if finding.grounds is basis)
        counts = VerdictCounts(verdicts[Verdict.STABLE], verdicts[Verdict.UNSTABLE], verdicts[Verdict.INCONCLUSIVE])
        if counts.total or (basis is Basis.BEHAVIOURAL and report.findings):
            lines.append(BasisLine(name, counts, meaning if counts.total else "nothing was tested"))
    return tuple(lines)


def behaviour_table(behaviour: Behaviour) -> BehaviourTable:
    """Every number that was measured, one row per metric and one column per range of inputs."""
    parts = {words(name): getattr(behaviour, name) for name in RANGES}
    columns = {name: part.to_json() for name, part in parts.items() if part is not None}
    notes = [f"{name}: {plain(note)}" for name in ("scored", "reason") if (note := getattr(behaviour, name))]
    notes += [f"{name}, reason: {plain(numbers['reason'])}" for name, numbers in columns.items() if "reason" in numbers]
    metrics = dict.fromkeys(metric for numbers in columns.values() for metric in numbers if metric != "reason")
    rows = tuple(
        (words(metric), tuple(measured(metric, numbers.get(metric)) for numbers in columns.values()))
        for metric in metrics
    )
    return BehaviourTable(tuple(columns), rows, tuple(notes))


def provenance(report: AuditReport) -> tuple[tuple[str, Json], ...]:
    """Where the report comes from: model, plan, seed, hashes, versions; nested settings one level down."""
    rows: list[tuple[str, Json]] = []
    for owner, values in (("audit", report.audit.to_json()), ("model", report.model.to_json())):
        for name, value in values.items():
            if name == "calibration":
                continue  # has a table of its own
            if isinstance(value, Mapping) and value:
                rows.extend((f"{words(name)}: {words(str(inner))}", entry) for inner, entry in value.items())
            else:
                rows.append((words(name) if name not in ("id", "name") else f"{owner} {name}", value))
    return tuple(rows)


def measured(metric: str, value: Json) -> str:
    """A metric of behaviour; accuracies are never rounded up to 1."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if isinstance(value, int):
            return f"{value:,}"
        return share(value) if metric in SHARES else number(value)
    return setting(value)


def _notable(report: AuditReport) -> tuple[Notable, ...]:
    """One finding per field of the matrix that holds something unstable or inconclusive, most telling first."""
    variants = {variant.key: variant for variant in report.variants}
    shown: dict[tuple[str, str], Finding] = {}
    groups: dict[tuple[str, str], int] = {}
    for finding in sorted(report.findings, key=by_weight):
        place = (finding.claim.method, finding.equivalence)
        if finding.verdict is not Verdict.STABLE:
            shown.setdefault(place, finding)
            groups[place] = groups.get(place, 0) + (finding.verdict is shown[place].verdict)
    return tuple(
        Notable(finding, groups[place] - 1, variants.get(finding.worst_variant or ""))
        for place, finding in shown.items()
    )


def _warnings(report: AuditReport, matrix: Matrix) -> tuple[str, ...]:
    warnings = []
    for field in matrix.fields():
        if field.agreement is Agreement.CONTRADICTS:
            warnings.append(
                f"{plain(field.method)} moved under {plain(field.equivalence)}, which theory rules out: "
                "check the method's implementation before the model"
            )
        elif field.agreement is Agreement.NOT_SEEN and "free" in field.expected:
            warnings.append(
                f"{plain(field.method)} did not move under {plain(field.equivalence)}, although theory "
                "allows any change: its stability here is not evidence"
            )
    failed = [variant for variant in report.variants if variant.state is VariantState.NOT_CERTIFIED]
    if failed:
        warnings.append(f"{counted(len(failed), 'variant')} without a passed certificate; no verdict rests on that")
    if report.missing:
        warnings.append(f"{with_failures(report.missing)}; `dyck-audit retry {plain(report.audit.id)}` computes it")
        warnings += [f"missing: {plain(one.cell)}: {plain(one.why, 300)}" for one in report.missing]
    elif report.audit.state is not AuditState.DONE:
        warnings.append(f"the audit is {report.audit.state}; the report may be incomplete")
    return tuple(warnings)


def _commands(report: AuditReport, notable: Sequence[Notable]) -> tuple[tuple[str, str], ...]:
    if report.audit.id == LOCAL:
        return ()
    audit = shlex.quote(plain(report.audit.id))
    commands = []
    witnessed = next((entry.finding for entry in notable if entry.finding.worst_variant is not None), None)
    if witnessed is not None:
        finding = shlex.quote(plain(witnessed.id))
        commands.append(("export the twin that overturns it", f"dyck-audit witness {finding} --out witness"))
        commands.append(("check that twin again from its files", "dyck-audit verify witness"))
    commands.append(("write this report as a page", f"dyck-audit report {audit} --format html"))
    return tuple(commands)
