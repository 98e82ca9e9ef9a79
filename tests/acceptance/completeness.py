"""Whether an audit of stand-in cells has every result once, as if nothing had ever gone wrong."""

from __future__ import annotations

from auditor.records import AuditState
from auditor.store import Database, load_interpretations, load_report, load_variants
from tests.acceptance.worker_process import PATIENCE_SECONDS
from tests.auditor.store.samples import FINDINGS
from tests.workers import standins
from workers.waiting import wait


def is_complete(database: Database, audit_id: str) -> bool:
    """Done, with every result once: no row is missing, none is there twice, no cell counted twice."""
    ended = wait(database, [audit_id], timeout_seconds=PATIENCE_SECONDS)[audit_id]
    with database.transaction(read_only=True) as session:
        findings = load_report(session, audit_id).findings
        measured = load_interpretations(session, audit_id).scores
        built = load_variants(session, audit_id)
    keys = ("original", *standins.MANY_TWINS)
    return (
        ended.audit.state is AuditState.DONE
        and ended.audit.cells_done == ended.done == len(standins.MANY_CELLS)
        and findings == FINDINGS
        and set(measured) == {(key, name) for key in keys for name in standins.METHODS}
        and [variant.key for variant in built] == list(standins.MANY_TWINS)
    )
