"""``demo``: an audit end to end with nothing set up."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.checkpoints import read_checkpoint
from cli.following import follow, unfinished
from cli.invocation import invocation
from cli.options import Seed
from cli.output import Output
from cli.queueing import queue

if TYPE_CHECKING:
    from auditor.records import AuditReport
    from auditor.settings import Settings

MODEL = "dyck2x4-2layer-2head"


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("demo-report.html"),
    keep: Annotated[bool, typer.Option("--keep", help="Store the audit in the home, as `submit` does.")] = False,
    seed: Seed = 0,
) -> None:
    """Audit a bundled model end to end with no server, print the findings, write a page. About a minute."""
    door = invocation(context)
    keep = keep or _named_home(context)
    with _settings(door.settings, keep=keep) as settings:
        report = run(settings, seed, door.output)
    tell(door.output, report, out)
    if not keep:
        door.output.text("Nothing else was kept; `dyck-audit demo --keep` stores the audit, so that all of this works")


def _named_home(context: typer.Context) -> bool:
    """Whether ``--home`` was typed; a home that only the environment names is not touched."""
    source = context.find_root().get_parameter_source("home")
    return source is not None and source.name == "COMMANDLINE"


def run(settings: Settings, seed: int, output: Output) -> AuditReport:
    """Read, queue, compute, and load the report.

    Raises:
        AuditorError: a cell failed; the message says why.
    """
    from auditor.errors import AuditorError
    from auditor.plans import read_plan
    from auditor.store.reports import load_report
    from auditor.store.session import open_database

    output.note(f"auditing the bundled model {MODEL}, plan quick, in {settings.home}")
    loaded = read_checkpoint(f"zoo:{MODEL}")
    database = open_database(settings.database_url)
    try:
        audit_id = queue(database, settings, loaded, read_plan("quick"), seed=seed).audit.id
        seen = follow(database, settings, [audit_id], output)
        for problem in unfinished(seen):
            raise AuditorError(problem)
        with database.transaction(read_only=True) as session:
            return load_report(session, audit_id)
    finally:
        database.dispose()


def tell(output: Output, report: AuditReport, out: Path) -> None:
    """The findings, the page, and what to type next."""
    from auditor.report.html import render_html
    from auditor.report.terminal import render_report

    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(render_html(report), encoding="utf-8")
    output.show(render_report(report))
    output.text(f"\nThe whole report as a page: {out}")
    output.text("Audit your own model: `dyck-audit submit CHECKPOINT --config FILE --wait`")


@contextmanager
def _settings(settings: Settings, *, keep: bool) -> Iterator[Settings]:
    """The user's own place, or one that is gone afterwards; never a shared broker."""
    if keep:
        yield replace(settings, broker_url=None)
        return
    with tempfile.TemporaryDirectory(prefix="dyck-audit-demo-") as folder:
        home = Path(folder)
        yield replace(settings, home=home, database_url=f"sqlite:///{home / 'dyck-audit.sqlite3'}", broker_url=None)
