"""An audit as a whole while it runs: how far it is, stop it, run again what failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from auditor.errors import StoreError
from auditor.records import ALL_OTHERS, AuditState, CellState
from auditor.store.audits import StoredAudit, get_audit
from auditor.store.cells import LIVE
from auditor.store.clock import database_now
from auditor.store.locking import require_audit
from auditor.store.schema import audit, cell

REPORTED = (AuditState.DONE, AuditState.INCOMPLETE)
"""States of an audit that is finished: it has a report."""

RETRIED = (AuditState.INCOMPLETE, AuditState.FAILED, AuditState.CANCELLED)
"""States from which an audit can be run again for what is missing."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an audit is. The counts add up to all its cells; ``skipped`` is a part of ``done``.

    ``blocked`` counts the cells that need one that failed.
    """

    audit: StoredAudit
    waiting: int
    ready: int
    running: int
    done: int
    failed: int
    blocked: int
    skipped: int
    running_keys: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.audit.state not in LIVE

    @property
    def has_report(self) -> bool:
        """Whether it is finished, with or without failures."""
        return self.audit.state in REPORTED


def progress(session: Connection, audit_id: str) -> Progress:
    """The audit's state and how many of its cells are in each state.

    Raises:
        NotFoundError: no such audit.
    """
    found = get_audit(session, audit_id)
    mine = cell.c.audit_id == found.id
    rows = session.execute(select(cell.c.state, func.count()).where(mine).group_by(cell.c.state))
    counts = {CellState(state): number for state, number in rows}
    running = select(cell.c.key).where(mine, cell.c.state == CellState.RUNNING).order_by(cell.c.position)
    return Progress(
        audit=found,
        waiting=counts.get(CellState.WAITING, 0),
        ready=counts.get(CellState.READY, 0),
        running=counts.get(CellState.RUNNING, 0),
        done=counts.get(CellState.DONE, 0),
        failed=counts.get(CellState.FAILED, 0),
        blocked=counts.get(CellState.BLOCKED, 0),
        skipped=session.execute(select(func.count()).where(mine, cell.c.skipped)).scalar_one(),
        running_keys=tuple(session.execute(running).scalars()),
    )


def cancel_audit(session: Connection, audit_id: str) -> StoredAudit:
    """Stop an audit that is not finished, or that failed. Running cells lose their owner, so nothing they compute is
    stored.

    Raises:
        NotFoundError: no such audit.
        StoreError: it is finished. (Cancelled already: nothing changes.)
    """
    state = require_audit(session, audit_id).state
    if state in REPORTED:
        raise StoreError(f"audit {audit_id} is {state}", expected="an audit that still runs")
    if state != AuditState.CANCELLED:
        running = (cell.c.audit_id == audit_id) & (cell.c.state == CellState.RUNNING)
        session.execute(update(cell).where(running).values(state=CellState.READY, owner=None, lease_until=None))
        ended = {"state": AuditState.CANCELLED, "finished_at": database_now(session)}
        session.execute(update(audit).where(audit.c.id == audit_id).values(ended))
    return get_audit(session, audit_id)


def retry_audit(session: Connection, audit_id: str) -> list[str]:
    """Queue an audit again for what it lacks; the keys now ready, to be sent after the commit.

    Failed cells start with their attempts uncounted, what needed them waits for them again, and so does the conclusion:
    the report is made anew. What is done stays. A cell that still runs under a live lease goes on.

    Raises:
        NotFoundError: no such audit.
        StoreError: nothing of it failed or was cancelled.
    """
    state = require_audit(session, audit_id).state
    if state not in RETRIED:
        raise StoreError(
            f"audit {audit_id} is {state}", expected="an audit that finished with failures, failed or was cancelled"
        )
    now = database_now(session)
    mine = cell.c.audit_id == audit_id
    begun: dict[str, Any] = {"owner": None, "lease_until": None, "attempt": 0, "error": None, "finished_at": None}
    unfinished = select(func.count()).where(
        mine, cell.c.needs.is_distinct_from(ALL_OTHERS), cell.c.state != CellState.DONE
    )
    if session.execute(unfinished).scalar_one():
        again = mine & (cell.c.needs == ALL_OTHERS)
        session.execute(update(cell).where(again).values(begun | {"state": CellState.WAITING}))
    blocked = mine & (cell.c.state == CellState.BLOCKED)
    session.execute(update(cell).where(blocked).values(begun | {"state": CellState.WAITING}))
    lost = (cell.c.state == CellState.RUNNING) & (cell.c.lease_until < now)
    ready = (cell.c.state == CellState.FAILED) | (cell.c.state == CellState.READY) | lost
    rows = session.execute(
        update(cell)
        .where(mine, ready)
        .values(begun | {"state": CellState.READY, "dispatched_at": now})
        .returning(cell.c.position, cell.c.key)
    ).all()
    done = select(func.count()).where(mine, cell.c.state == CellState.DONE).scalar_subquery()
    queued = {"state": AuditState.QUEUED, "cells_failed": 0, "cells_done": done, "error": None, "finished_at": None}
    session.execute(update(audit).where(audit.c.id == audit_id).values(queued))
    return [row.key for row in sorted(rows, key=lambda row: int(row.position))]
