"""``report``: one audit as a page, a document, a text or a table."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.destinations import require_file
from cli.invocation import invocation
from cli.options import AuditId, Out, ServerUrl, TokenFile

if TYPE_CHECKING:
    from auditor.records import AuditReport


class Form(StrEnum):
    """What a report is written as."""

    HTML = "html"
    JSON = "json"
    MARKDOWN = "markdown"
    CSV = "csv"


def report(
    context: typer.Context,
    audit: AuditId = "latest",
    *,
    form: Annotated[Form, typer.Option("--format", help="A page, a document, a text or a table.")] = Form.HTML,
    out: Out = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a report instead.")] = False,
    server: ServerUrl = None,
    token_file: TokenFile = None,
) -> None:
    """Write the report of an audit. A page without --out goes to AUDIT.html when stdout is a terminal."""
    from auditor.report.machine import schema_text

    door = invocation(context)
    if out is not None and str(out) != "-":
        require_file(out)
    if schema:
        write(context, schema_text(), out)
        return
    from auditor.store.audits import resolve_audit
    from auditor.store.reports import load_report

    if server is None:
        with door.reading() as session:
            found = load_report(session, resolve_audit(session, audit))
    else:
        from cli.remote.store import remote_store

        with remote_store(server, token_file, door.output) as store:
            found = store.report(audit)
    if form is Form.HTML and out is None and sys.stdout.isatty():
        out = Path(f"{found.audit.id}.html")
    write(context, rendered(found, form), out)


def rendered(found: AuditReport, form: Form) -> str:
    """The report in one of its forms."""
    if form is Form.HTML:
        from auditor.report.html import render_html

        return render_html(found)
    if form is Form.MARKDOWN:
        from auditor.report.markdown import render_markdown

        return render_markdown(found)
    if form is Form.CSV:
        from auditor.report.tables import findings_csv

        return findings_csv(found.findings)
    from auditor.report.machine import to_json_text

    return to_json_text(found)


def write(context: typer.Context, text: str, out: Path | None) -> None:
    """To a file, saying so, or to stdout."""
    output = invocation(context).output
    if out is None or str(out) == "-":
        if text.startswith("<!DOCTYPE"):
            output.page(text)
        else:
            output.text(text)
        return
    from auditor.files.whole_file import write_whole

    write_whole(out, text.encode())
    output.note(f"written: {out}")
