"""``show``: one audit on the terminal, done or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.documents import document
from cli.invocation import invocation
from cli.options import AsJson, AuditId, ServerUrl, TokenFile
from cli.output import Output

if TYPE_CHECKING:
    from auditor.store.lifecycle import Progress

NEXT = {
    "queued": "`dyck-audit watch {0}` runs it or follows it",
    "running": "`dyck-audit watch {0}` follows it",
    "failed": "`dyck-audit retry {0}` runs again what failed",
    "cancelled": "`dyck-audit retry {0}` resumes it",
}


def show(
    context: typer.Context,
    audit: AuditId = "latest",
    *,
    claims: Annotated[int, typer.Option(min=0, help="How many claims are shown.")] = 16,
    server: ServerUrl = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one audit: headline, claims, matrix; or its progress."""
    from auditor.store.audits import resolve_audit
    from auditor.store.lifecycle import progress
    from auditor.store.reports import load_report

    door = invocation(context)
    if server is None:
        with door.reading() as session:
            found = progress(session, resolve_audit(session, audit))
            report = load_report(session, found.audit.id) if found.has_report else None
    else:
        from cli.remote.store import remote_store

        with remote_store(server, token_file, door.output) as store:
            found = store.progress(audit)
            report = store.report(found.audit.id) if found.has_report else None
    if as_json:
        door.output.document(document(found) | {"report": None if report is None else report.to_json()})
    elif report is None:
        tell_unfinished(door.output, found)
    else:
        from auditor.report.terminal import render_report

        door.output.show(render_report(report, max_claims=claims))


def tell_unfinished(output: Output, found: Progress) -> None:
    """The progress of an audit without a report, and what to type."""
    audit = found.audit
    output.line(f"audit {audit.id} of {audit.model_name}, plan {audit.plan_name}, seed {audit.seed}: {audit.state}")
    blocked = f", {found.blocked} that need one of these" if found.blocked else ""
    output.text(
        f"{found.done} of {audit.cells_total} cells done, {found.running} running, {found.failed} failed{blocked}"
    )
    for key in found.running_keys:
        output.line(f"  running: {key}")
    if audit.error:
        output.line(f"  why: {audit.error}")
    output.text(NEXT[str(audit.state)].format(audit.id))
