"""``diff``: two audits, claim by claim."""

from __future__ import annotations

import typer

from cli.invocation import invocation
from cli.options import AsJson, AuditId


def diff(context: typer.Context, first: AuditId, second: AuditId, as_json: AsJson = False) -> None:
    """Compare two audits: which claims changed verdict, effects, behaviour."""
    from auditor.report.difference import compare
    from auditor.store.audits import resolve_audit
    from auditor.store.reports import load_report

    door = invocation(context)
    with door.reading() as session:
        difference = compare(*(load_report(session, resolve_audit(session, text)) for text in (first, second)))
    if as_json:
        door.output.document(difference.to_json())
    else:
        from auditor.report.terminal import render_difference

        door.output.show(render_difference(difference))
