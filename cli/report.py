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
from cli.tables import TableForm, require_table, write_table

if TYPE_CHECKING:
    from auditor.records import AuditReport


class Form(StrEnum):
    """What a report is written as."""

    HTML = "html"
    JSON = "json"
    MARKDOWN = "markdown"
    CSV = "csv"
    PARQUET = "parquet"


def report(
    context: typer.Context,
    audit: AuditId = "latest",
    *,
    form: Annotated[Form, typer.Option("--format", help="A page, a document, a text, or a table.")] = Form.HTML,
    out: Out = None,
    schema: Annotated[
        bool,
        typer.Option("--schema", help="Print instead the JSON Schema of a report, or the types of a table."),
    ] = False,
    server: ServerUrl = None,
    token_file: TokenFile = None,
) -> None:
    """Write the report of an audit. A page without --out goes to AUDIT.html when stdout is a terminal."""
    door = invocation(context)
    table = TableForm(form.value) if form in (Form.CSV, Form.PARQUET) else None
    if out is not None and str(out) != "-":
        require_file(out)
    if schema:
        write(context, _schema(table), out)
        return
    if table is not None:
        require_table(table, out)
    from auditor.store.audits import resolve_audit
    from auditor.store.reports import load_report

    if server is None:
        with door.reading() as session:
            found = load_report(session, resolve_audit(session, audit))
    else:
        from cli.remote.store import remote_store

        with remote_store(server, token_file, door.output) as store:
            found = store.report(audit)
    if table is not None:
        from auditor.report.tables import COLUMNS, finding_row

        write_table(door.output, table, COLUMNS, [[finding_row(one) for one in found.findings]], out)
        return
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
    from auditor.report.machine import to_json_text

    return to_json_text(found)


def _schema(table: TableForm | None) -> str:
    from auditor.report.machine import json_text, schema_text
    from auditor.report.tables import table_schema

    return schema_text() if table is None else json_text(table_schema(), indent=2)


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
