"""``plot``: pictures of an audit for papers and slides."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.destinations import require_file
from cli.invocation import invocation
from cli.options import AuditId


def plot(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="attention, matrix, ablation, rashomon or ladder.")],
    audit: AuditId = "latest",
    *,
    out: Annotated[Path, typer.Option(help="The file to write: .svg, .png or .pdf.", show_default=False)],
) -> None:
    """Draw an audit: attention of original and twin, the matrix, ablations, ranges of claims, searches for twins."""
    from auditor.files.whole_file import write_whole
    from auditor.report.plots import drawn
    from auditor.store.audits import resolve_audit
    from auditor.store.reports import load_report

    door = invocation(context)
    require_file(out)
    with door.reading() as session:
        report = load_report(session, resolve_audit(session, audit))
    write_whole(out, drawn(report, what, out.suffix.removeprefix(".").lower()))
    door.output.note(f"written: {out}")
