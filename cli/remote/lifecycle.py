"""``watch``, ``cancel`` and ``retry`` with ``--server``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from auditor.store.filters import AuditFilter
from cli.remote.submitting import follow_remotely

if TYPE_CHECKING:
    from auditor.store.audits import StoredAudit
    from auditor.store.lifecycle import Progress
    from cli.output import Output
    from cli.remote.store import RemoteStore


def watch_remotely(store: RemoteStore, audits: Sequence[str] | None, output: Output) -> dict[str, Progress]:
    """Follow the audits named, or all that are not over, oldest first; the last progress of each."""
    audit_ids = named(store, audits) if audits else _live(store)
    return follow_remotely(store, audit_ids, output) if audit_ids else {}


def cancel_remotely(store: RemoteStore, audits: Sequence[str]) -> list[StoredAudit]:
    """Stop audits."""
    return [store.cancel(audit_id) for audit_id in named(store, audits)]


def retry_remotely(store: RemoteStore, audits: Sequence[str]) -> dict[str, int]:
    """Run again what failed of audits; how many cells of each are ready."""
    return {audit_id: store.retry(audit_id) for audit_id in named(store, audits)}


def named(store: RemoteStore, texts: Sequence[str]) -> list[str]:
    """The ids of the audits named, each once."""
    return list(dict.fromkeys(store.progress(text).audit.id for text in texts))


def _live(store: RemoteStore) -> list[str]:
    pages = [store.audits(AuditFilter(state=state, limit=None)) for state in ("running", "queued")]
    live = [audit for page in pages for audit in page.rows]
    return [audit.id for audit in sorted(live, key=lambda audit: audit.created_at)]
