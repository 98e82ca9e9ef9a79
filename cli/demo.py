"""``demo``: an audit end to end with nothing set up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.checkpoints import read_checkpoint
from cli.destinations import require_file
from cli.following import follow, unfinished, workers_here
from cli.invocation import Invocation, invocation
from cli.options import Seed
from cli.output import Output
from cli.queueing import queue

if TYPE_CHECKING:
    from auditor.records import AuditReport

MODEL = "dyck2x4-2layer-2head"


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("demo-report.html"),
    seed: Seed = 0,
) -> None:
    """Audit a bundled model end to end with no server, print the findings, write a page. About a minute.

    The audit is kept like any other, so that every command printed at the end works.
    """
    door = invocation(context)
    require_file(out)
    report = run(door, seed)
    print_result(door.output, report, out)


def run(door: Invocation, seed: int) -> AuditReport:
    """Read, queue, compute, and load the report.

    Raises:
        AuditorError: a cell failed; the message gives the reason.
    """
    from auditor.errors import AuditorError
    from auditor.plans.plan import read_plan
    from auditor.store.reports import load_report

    settings, output = replace(door.settings, broker_url=None), door.output
    output.note(f"auditing the bundled model {MODEL}, plan quick, in {settings.home}")
    loaded = read_checkpoint(f"zoo:{MODEL}")
    with door.database(create=True) as database, workers_here(settings) as workers:
        audit_id = queue(database, settings, loaded, read_plan("quick"), seed=seed).audit.id
        seen = follow(database, settings, [audit_id], output, workers)
        for problem in unfinished(seen):
            raise AuditorError(problem)
        with database.transaction(read_only=True) as session:
            return load_report(session, audit_id)


def print_result(output: Output, report: AuditReport, out: Path) -> None:
    """The findings, the page, and what to type next."""
    from auditor.files.whole_file import write_whole
    from auditor.report.html import render_html
    from auditor.report.terminal import render_report

    write_whole(out, render_html(report).encode())
    output.show(render_report(report))
    output.text(f"\nThe whole report as a page: {out}")
    output.text("Audit your own model: `dyck-audit submit CHECKPOINT --config FILE --wait`")
