"""``watch``, ``cancel`` and ``retry``: audits that are not done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli.documents import document
from cli.following import COLUMNS, follow, summary_rows, unfinished
from cli.invocation import Invocation, invocation
from cli.options import AnyAuditIds, AsJson, AuditIds, ServerUrl, TokenFile, Wait
from cli.queueing import require_broker
from cli.submit import finish

if TYPE_CHECKING:
    from auditor.store.session import Database
    from cli.output import Output


def watch(
    context: typer.Context,
    audits: AnyAuditIds = None,
    server: ServerUrl = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Follow audits (all unfinished ones by default) until they are done. Without a broker, compute them here."""
    door = invocation(context)
    options = ""
    if server is None:
        with door.database() as database:
            audit_ids = _chosen(database, audits)
            seen = follow(database, door.settings, audit_ids, door.output) if audit_ids else {}
    else:
        from cli.remote.lifecycle import watch_remotely
        from cli.remote.store import remote_store

        with remote_store(server, token_file, door.output) as store:
            seen, options = watch_remotely(store, audits, door.output), store.option
    if not seen and not as_json:
        door.output.note("nothing is queued or running; `dyck-audit history` lists what is done")
        return
    if as_json:
        door.output.document({"audits": [document(progress) for progress in seen.values()]})
    else:
        door.output.table(COLUMNS, summary_rows(seen))
    problems = unfinished(seen, options=options)
    for problem in problems:
        door.output.error(problem)
    if problems:
        raise typer.Exit(1)


def cancel(context: typer.Context, audits: AuditIds, server: ServerUrl = None, token_file: TokenFile = None) -> None:
    """Stop audits; what they have computed is kept, and `retry` resumes them."""
    from auditor.store.lifecycle import cancel_audit

    door = invocation(context)
    if server is None:
        with door.database() as database:
            audit_ids = _named(database, audits)
            with database.transaction() as session:
                cancelled = [cancel_audit(session, audit_id) for audit_id in audit_ids]
    else:
        from cli.remote.lifecycle import cancel_remotely
        from cli.remote.store import remote_store

        with remote_store(server, token_file, door.output) as store:
            cancelled = cancel_remotely(store, audits)
    for audit in cancelled:
        door.output.text(f"{audit.id} {audit.state}")


def retry(
    context: typer.Context,
    audits: AuditIds,
    wait: Wait = False,
    server: ServerUrl = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Run again what failed or was cancelled; what is done is kept."""
    from auditor.store.lifecycle import retry_audit

    door = invocation(context)
    if server is not None:
        _retry_at_server(door.output, server, token_file, audits, wait=wait, as_json=as_json)
        return
    require_broker(door.settings)
    with door.database() as database:
        audit_ids = _named(database, audits)
        with database.transaction() as session:
            cells = {audit_id: len(retry_audit(session, audit_id)) for audit_id in audit_ids}
        _send(door, database, audit_ids)
        if wait:
            finish(database, door.settings, audit_ids, door.output, as_json=as_json)
        else:
            _tell_again(door.output, cells, as_json=as_json)


def _retry_at_server(
    output: Output, server: str, token_file: Path | None, audits: list[str], *, wait: bool, as_json: bool
) -> None:
    from cli.remote.lifecycle import retry_remotely
    from cli.remote.store import remote_store
    from cli.submit import wait_at_server

    with remote_store(server, token_file, output) as store:
        cells = retry_remotely(store, audits)
        if wait:
            wait_at_server(store, list(cells), output, as_json=as_json)
        else:
            _tell_again(output, cells, as_json=as_json, options=store.option)


def _tell_again(output: Output, cells: Mapping[str, int], *, as_json: bool, options: str = "") -> None:
    if as_json:
        output.document({"audits": [{"id": audit_id, "cells": count} for audit_id, count in cells.items()]})
        return
    for audit_id, count in cells.items():
        output.text(f"{audit_id} queued again")
        output.note(f"{count} cells; `dyck-audit watch {audit_id}{options}` shows the progress")


def _send(door: Invocation, database: Database, audit_ids: list[str]) -> None:
    broker_url = door.settings.broker_url
    if broker_url is None:
        return
    from workers.submission import send_audit

    for audit_id in audit_ids:
        send_audit(database, audit_id, broker_url)


def _named(database: Database, texts: list[str]) -> list[str]:
    """The ids of the audits named, each once."""
    from auditor.store.audits import resolve_audit

    with database.transaction(read_only=True) as session:
        return list(dict.fromkeys(resolve_audit(session, text) for text in texts))


def _chosen(database: Database, texts: list[str] | None) -> list[str]:
    """The ids of the audits named, or of all that are not over, oldest first."""
    if texts:
        return _named(database, texts)
    from auditor.store.audits import list_audits
    from auditor.store.filters import AuditFilter

    with database.transaction(read_only=True) as session:
        pages = [list_audits(session, AuditFilter(state=state, limit=None)) for state in ("running", "queued")]
    live = [audit for page in pages for audit in page.rows]
    return [audit.id for audit in sorted(live, key=lambda audit: audit.created_at)]
