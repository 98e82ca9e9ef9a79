"""A report and a difference as rich renderables. Every verdict is a letter and a word before it is a colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from auditor.records import AuditReport, Exclusion, Finding, Verdict
from auditor.report.claims import KIND_HEADS, KINDS, SAID, ClaimLine, tally, why
from auditor.report.folded import UNTESTED, folded
from auditor.report.matrix import LETTERS, Agreement, Field, Matrix
from auditor.report.view import BasisLine, ReportView, view_of
from auditor.report.wording import (
    claim_text,
    counted,
    interval,
    moment,
    number,
    plain,
    spread,
)

STYLES = {Verdict.UNSTABLE: "bold red", Verdict.INCONCLUSIVE: "yellow", Verdict.STABLE: "green"}


def render_report(report: AuditReport, *, max_claims: int = 16) -> RenderableType:
    """Header, headline, which claims can be published, what they rest on, the matrix, and what to type next."""
    view = view_of(report)
    return Group(*_parts(view, max_claims))


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
            Text(wrapped(finding.equivalence)),
            Text(str(finding.grounds)),
            number(finding.effect),
            Text(interval(finding.interval)),
            Text(spread(finding.rashomon)),
            Text(str(finding.expected) + (" AGAINST" if finding.contradicts_theory else "")),
        )
    return table


def verdict_text(verdict: Verdict) -> Text:
    """The verdict in capitals and in its colour."""
    return Text(verdict.upper(), style=STYLES[verdict])


def _parts(view: ReportView, max_claims: int) -> Iterator[RenderableType]:
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
    yield from _claims(view.lines, max_claims)
    yield Text("\nWhat the verdicts rest on", style="bold")
    for line in view.by_basis:
        yield Text(f"  {line.name}: {_counts(line)} ({line.meaning})")
    yield Text(f"  {view.calibration}", style="dim")
    if view.strings:
        yield Text(f"  {view.strings}", style="dim")
    if view.reuse:
        yield Text(f"  {view.reuse}", style="dim")
    for warning in view.warnings:
        yield Text(f"! {warning}", style="yellow")
    yield FoldedMatrix(view.matrix)
    yield from _left_out(report.not_applicable)
    if view.commands:
        yield Text("\nNext", style="bold")
    for what, command in view.commands:
        yield Text.assemble("  ", (command, "cyan"), (f"   {what}", "dim"))


def _claims(lines: Sequence[ClaimLine], limit: int) -> Iterator[RenderableType]:
    """The claims, with what overturns each; of those that survive only so many that ``limit`` lines are shown."""
    if not lines:
        return
    counts = tally(lines)
    said = ", ".join(
        f"{counts[verdict]} {word}"
        for verdict, word in (
            (Verdict.STABLE, "survive all that was tested"),
            (Verdict.UNSTABLE, "overturned"),
            (Verdict.INCONCLUSIVE, "undecided"),
        )
    )
    yield Text.assemble(("\nWhich claims can be published", "bold"), f"  {said}")
    kinds = [kind for kind in KINDS if any(kind in line.worst for line in lines)]
    yield _row(*(Text(KIND_HEADS[kind], style="dim") for kind in kinds), Text("claim", style="dim"))
    for line in lines[:limit]:
        yield _row(*(_under(line.worst.get(kind)) for kind in kinds), Text(claim_text(line.claim)))
        if line.verdict is not Verdict.STABLE:
            yield Padding(Text(why(line), style="dim"), (0, 0, 0, 4))
    if len(lines) > limit:
        left = tally(lines[limit:])
        more = ", ".join(f"{count} {verdict}" for verdict, count in left.items() if count)
        rest = f"  {counted(len(lines) - limit, 'claim')} more ({more}); the page and the JSON report have all"
        yield Text(rest, style="dim")


def _row(*cells: Text) -> Table:
    """Verdicts in columns of one width, then the claim."""
    grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
    for _ in cells[:-1]:
        grid.add_column(width=11)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_row(*cells)
    return grid


def _under(finding: Finding | None) -> Text:
    return Text("–", style="dim") if finding is None else Text(SAID[finding.verdict], style=STYLES[finding.verdict])


def _left_out(entries: Sequence[Exclusion]) -> Iterator[RenderableType]:
    """What does not apply to this model, one line per reason; of single fields of the matrix only how many."""
    reasons: dict[str, list[str]] = {}
    fields = sum(entry.equivalence is not None for entry in entries)
    for entry in entries:
        if entry.equivalence is not None:
            continue
        reasons.setdefault(plain(entry.why), []).append(plain(entry.label))
    for reason, names in reasons.items():
        yield Text(f"not applicable: {', '.join(names)}: {reason}", style="dim")
    if fields:
        yield Text(f"{counted(fields, 'field')} of the matrix not applicable; the page has the reasons", style="dim")


def _counts(line: BasisLine) -> str:
    counts = line.counts
    return (
        f"{counted(counts.total, 'verdict')}, {counts.unstable} unstable, {counts.inconclusive} inconclusive, "
        f"{counts.stable} stable"
    )


@dataclass(frozen=True, slots=True)
class FoldedMatrix:
    """Method × equivalence, a letter a field. Methods that no equivalence moves are one line, and so is theory."""

    matrix: Matrix

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        found = folded(self.matrix)
        if not found.columns:
            return
        yield Text("\nMethod × equivalence", style="bold")
        widest = max([len(row.method) for row in found.rows], default=0)
        label = min(widest, max(20, options.max_width - 2 * len(found.columns) - 2))
        if found.rows:
            yield Text(" " * (label + 2) + " ".join(found.marks), style="dim")
        for row in found.rows:
            letters = (Text.assemble(_letter(field), " ") for field in row.fields)
            yield Text.assemble(f"{plain(row.method, label):{label}}  ", *letters)
        if found.calm:
            named = ", ".join(plain(method) for method in found.calm)
            yield Text(f"S under every equivalence: {named}", style=STYLES[Verdict.STABLE])
        named = "  ".join(
            f"{mark} {plain(column.equivalence)}" for mark, column in zip(found.marks, found.columns, strict=True)
        )
        yield Text(named, style="dim")
        if found.failed:
            named = ", ".join(plain(name) for name in found.failed)
            yield Text(f"not certified, so that no verdict rests on them: {named}", style="yellow")
        yield Text(f"{found.legend} {found.theory}", style="dim")


def _letter(field: Field) -> Text:
    if field.verdict is None:
        return Text(UNTESTED[field.state], style="dim")
    if field.agreement is Agreement.CONTRADICTS:
        return Text("!", style="bold red")
    return Text(LETTERS[field.verdict], style=STYLES[field.verdict])


def wrapped(name: str, width: int = 24) -> str:
    """A name broken after underscores into lines of at most ``width`` where that is possible."""
    lines = [""]
    for piece in plain(name).replace("_", "_\0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)
