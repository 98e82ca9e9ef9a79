"""A report and a difference as rich renderables. Every verdict is a letter and a word before it is a colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from auditor.records import AuditReport, Finding, Verdict
from auditor.report.difference import AuditDifference, FindingPair
from auditor.report.matrix import Agreement, Field, FieldState, Matrix
from auditor.report.view import BasisLine, Notable, ReportView, measured, view_of
from auditor.report.wording import (
    MISSING,
    claim_text,
    counted,
    interval,
    moment,
    number,
    plain,
    sameness,
    spread,
    standing,
    words,
)

STYLES = {Verdict.UNSTABLE: "bold red", Verdict.INCONCLUSIVE: "yellow", Verdict.STABLE: "green"}
LETTERS = {Verdict.UNSTABLE: "U", Verdict.INCONCLUSIVE: "I", Verdict.STABLE: "S"}
UNTESTED = {FieldState.NOT_APPLICABLE: "n/a", FieldState.NOT_CERTIFIED: "n/c", FieldState.NO_CLAIM: "-"}
OUTCOMES = {Agreement.AGREES: "ok", Agreement.CONTRADICTS: "AGAINST", Agreement.NOT_SEEN: "not seen"}
COLUMN_WIDTH = 13
LABEL_WIDTH = 25


def render_report(report: AuditReport, *, max_findings: int = 8) -> RenderableType:
    """Header, headline, stability matrix, the main findings, and what to type next."""
    view = view_of(report)
    return Group(*_parts(view, max_findings))


def render_findings(findings: Sequence[Finding]) -> RenderableType:
    """Findings as one table, in the order given."""
    table = Table(box=None, pad_edge=False)
    heads = ("finding", "verdict", "claim", "equivalence", "rests on", "effect", "95 % interval", "range", "theory")
    for head in heads:
        table.add_column(head, justify="right" if head == "effect" else "left", overflow="fold")
    for finding in findings:
        table.add_row(
            Text(plain(finding.id)),
            verdict_text(finding.verdict),
            Text(claim_text(finding.claim)),
            Text(_wrapped(finding.equivalence)),
            Text(str(finding.grounds)),
            number(finding.effect),
            Text(interval(finding.interval)),
            Text(spread(finding.rashomon)),
            Text(str(finding.expected) + (" AGAINST" if finding.contradicts_theory else "")),
        )
    return table


def render_difference(difference: AuditDifference, *, max_pairs: int = 30) -> RenderableType:
    """What changed between two audits: verdicts, effects, behaviour, and claims that only one of them has."""
    old, new = (f"{origin.get('audit')} ({origin.get('model')})" for origin in (difference.first, difference.second))
    title = Text.assemble((plain(old), "bold"), " → ", (plain(new), "bold"))
    counts = (
        f"{len(difference.changed)} of {counted(len(difference.pairs), 'paired finding')} changed verdict; "
        f"{len(difference.only_first)} only in the first, {len(difference.only_second)} only in the second"
    )
    moved = [pair for pair in difference.pairs if pair.verdict_changed or pair.effect_difference]
    parts: list[RenderableType] = [title, Text(counts)]
    if difference.other_strings:
        parts.append(Text(_other_strings(difference), style="yellow"))
    parts.append(Text())
    if moved:
        parts += [_pairs_table(moved[:max_pairs]), Text()]
    if len(moved) > max_pairs:
        parts.append(Text(f"{len(moved) - max_pairs} more differ; --json has them all", style="dim"))
    parts.append(_behaviour_difference(difference))
    return Group(*parts)


def _other_strings(difference: AuditDifference) -> str:
    known = (origin["strings_sha256"] for origin in (difference.first, difference.second))
    first, second = ("drawn from the task" if one is None else f"sha256 {plain(one)[:16]}…" for one in known)
    return f"! the two saw different strings ({first}; {second}): no difference is the models' alone"


def verdict_text(verdict: Verdict) -> Text:
    """The verdict in capitals and in its colour."""
    return Text(verdict.upper(), style=STYLES[verdict])


def _parts(view: ReportView, max_findings: int) -> Iterator[RenderableType]:
    report = view.report
    audit = report.audit
    facts = (
        f"audit {audit.id}, plan {audit.plan}, seed {audit.seed}, "
        f"{audit.sequences} sequences, {moment(audit.finished_at or audit.created_at)}"
    )
    yield Text.assemble((plain(report.model.name), "bold"), "  ", (plain(facts), "dim"))
    for name, values in view.behaviour.rows[:3]:
        places = zip(view.behaviour.ranges, values, strict=True)
        yield Text(f"  {name}: " + ", ".join(f"{value} {inputs}" for inputs, value in places), style="dim")
    style = {"UNSTABLE": "red", "STABLE": "green"}.get(view.badge, "yellow")
    yield Panel(Text.assemble((f"{view.badge}: ", f"bold {style}"), view.headline), border_style=style)
    for line in view.by_basis:
        yield Text(f"  {line.name}: {_counts(line)} ({line.meaning})")
    yield Text(f"  {view.calibration}", style="dim")
    if view.strings:
        yield Text(f"  {view.strings}", style="dim")
    if view.reuse:
        yield Text(f"  {view.reuse}", style="dim")
    for warning in view.warnings:
        yield Text(f"! {warning}", style="yellow")
    yield StabilityTable(view.matrix)
    yield from _told(view.notable, max_findings)
    for entry in report.not_applicable:
        yield Text(f"not applicable: {plain(entry.label)}: {plain(entry.why)}", style="dim")
    if view.commands:
        yield Text("\nNext", style="bold")
    for what, command in view.commands:
        yield Text.assemble("  ", (command, "cyan"), (f"   {what}", "dim"))


def _counts(line: BasisLine) -> str:
    counts = line.counts
    return (
        f"{counted(counts.total, 'verdict')}, {counts.unstable} unstable, {counts.inconclusive} inconclusive, "
        f"{counts.stable} stable"
    )


def _told(notable: Sequence[Notable], limit: int) -> Iterator[RenderableType]:
    if notable:
        yield Text("\nMain findings", style="bold")
    for entry in notable[:limit]:
        finding = entry.finding
        more = f" (and {entry.more} more like it)" if entry.more else ""
        yield Text.assemble(
            verdict_text(finding.verdict), "  ", (plain(finding.id), "cyan"), "  ", claim_text(finding.claim), more
        )
        yield Padding(Text(_inputs(entry), style="dim"), (0, 0, 0, 4))
    if len(notable) > limit:
        yield Text(
            f"{counted(len(notable) - limit, 'field')} of the matrix more; --json has every finding", style="dim"
        )


def _inputs(entry: Notable) -> str:
    finding = entry.finding
    bounds = "" if finding.interval is None else f" {interval(finding.interval)}"
    said = f"effect {number(finding.effect)}{bounds}, threshold {number(finding.threshold)}, theory: {finding.expected}"
    if finding.contradicts_theory:
        said += " (AGAINST THEORY)"
    if finding.rashomon is not None:
        said += f"; {spread(finding.rashomon)}"
    if finding.resolved is False:
        said += f", {standing(finding)}"
    if finding.needed_sequences:
        said += f", would need {finding.needed_sequences} sequences"
    if entry.witness is None:
        return f"{plain(finding.equivalence)}: {said}"
    return f"{plain(entry.witness.key)} ({sameness(entry.witness.certificate, finding.kind)}): {said}"


@dataclass(frozen=True, slots=True)
class StabilityTable:
    """The stability matrix, cut into as many tables as the width of the terminal asks for."""

    matrix: Matrix

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        step = max(1, (options.max_width - LABEL_WIDTH - 4) // (COLUMN_WIDTH + 2))
        for start in range(0, len(self.matrix.rows), step):
            yield self._table(slice(start, start + step))
        yield Text(
            "U unstable · I inconclusive · S stable, with how many claims of how many, and the worst effect · "
            "AGAINST theory · not seen: theory allows more · n/a not applicable · n/c not certified",
            style="dim",
        )

    def _table(self, part: slice) -> Table:
        table = Table(
            title="Stability: equivalence × method",
            title_justify="left",
            title_style="bold",
            box=SIMPLE_HEAD,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        table.add_column("equivalence", width=LABEL_WIDTH, overflow="fold")
        for row in self.matrix.rows[part]:
            table.add_column(Text(_wrapped(row.method, COLUMN_WIDTH)), width=COLUMN_WIDTH, overflow="fold")
        for line in self.matrix.lines():
            if not line.excuse:
                fields = (_field_text(field) for field in line.fields[part])
                table.add_row(Text(_wrapped(line.column.equivalence, LABEL_WIDTH)), *fields)
        return table


def _field_text(field: Field) -> Text:
    if field.verdict is None or field.worst is None:
        return Text(UNTESTED.get(field.state, MISSING), style="dim")
    text = Text(f"{LETTERS[field.verdict]} {field.count}/{field.total}", style=STYLES[field.verdict])
    if field.verdict is not Verdict.STABLE:
        text.append(f" {number(field.worst.effect)}", style="not bold")
    outcome = OUTCOMES.get(field.agreement, "")
    if outcome in ("", "ok"):
        return text
    return text.append(f"\n{field.expected} {outcome}", style="bold red" if outcome == "AGAINST" else "dim")


def _wrapped(name: str, width: int = 24) -> str:
    """A name broken after underscores into lines of at most ``width`` where that is possible."""
    lines = [""]
    for piece in plain(name).replace("_", "_\0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def _pairs_table(pairs: Sequence[FindingPair]) -> Table:
    table = Table(box=None, pad_edge=False)
    for head in ("claim", "equivalence", "first", "second", "effects", "difference"):
        table.add_column(head, justify="right" if head == "difference" else "left", overflow="fold")
    for pair in pairs:
        table.add_row(
            Text(claim_text(pair.first.claim)),
            Text(_wrapped(pair.first.equivalence)),
            verdict_text(pair.first.verdict),
            verdict_text(pair.second.verdict) if pair.verdict_changed else Text("same", style="dim"),
            f"{number(pair.first.effect)} → {number(pair.second.effect)}",
            _signed(pair.effect_difference),
        )
    return table


def _behaviour_difference(difference: AuditDifference) -> Table:
    table = Table(box=None, pad_edge=False, title="Behaviour", title_justify="left", title_style="bold")
    for head in ("inputs", "metric", "first", "second", "difference"):
        table.add_column(head, justify="left" if head in ("inputs", "metric") else "right")
    for pair in difference.behaviour:
        table.add_row(
            Text(plain(words(pair.inputs))),
            Text(plain(words(pair.metric))),
            measured(pair.metric, pair.first),
            measured(pair.metric, pair.second),
            _signed(pair.difference),
        )
    return table


def _signed(value: float | None) -> str:
    return ("+" if value is not None and value > 0 else "") + number(value)
