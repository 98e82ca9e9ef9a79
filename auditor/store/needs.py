"""What becomes of the cells that need another one when that ends: ready, skipped or blocked.

The caller has locked the audit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from auditor.records import ALL_OTHERS, CellState
from auditor.store.clock import database_now
from auditor.store.locking import lock_audit
from auditor.store.schema import audit, cell

ENDED = (CellState.DONE, CellState.FAILED, CellState.BLOCKED)
"""States of a cell that no worker will change."""


def dependents_ready(session: Connection, audit_id: str, key: str, now: datetime) -> list[str]:
    """Make the cells that wait for this one ready; their keys."""
    return _make_ready(session, audit_id, cell.c.needs == key, now)


def conclusion_ready(session: Connection, audit_id: str, now: datetime) -> list[str]:
    """Make the cell that needs all others ready once these have ended, whether or not they have results."""
    others = or_(cell.c.needs.is_(None), cell.c.needs != ALL_OTHERS)
    going_on = select(func.count()).where(cell.c.audit_id == audit_id, others, cell.c.state.not_in(ENDED))
    if session.execute(going_on).scalar_one():
        return []
    return _make_ready(session, audit_id, cell.c.needs == ALL_OTHERS, now)


def block_dependents(session: Connection, audit_id: str, key: str) -> None:
    """Mark every waiting cell that needs a failed one, directly or not."""
    frontier = [key]
    while frontier:
        waiting = (cell.c.audit_id == audit_id) & (cell.c.state == CellState.WAITING) & cell.c.needs.in_(frontier)
        blocked = {"state": CellState.BLOCKED, "error": f"it needs {key}, which failed"}
        frontier = [*session.execute(update(cell).where(waiting).values(blocked).returning(cell.c.key)).scalars()]


def skip_dependents(session: Connection, audit_id: str, key: str) -> int:
    """Mark as done, without results, every waiting cell that needs this one, directly or not; how many.

    For a variant that could not be built or certified. Call it before :func:`finish_cell`, in the same transaction.
    """
    lock_audit(session, audit_id)
    now = database_now(session)
    skipped, frontier = 0, [key]
    while frontier:
        waiting = (cell.c.audit_id == audit_id) & (cell.c.state == CellState.WAITING) & cell.c.needs.in_(frontier)
        statement = update(cell).where(waiting).values(done_at(now) | {"skipped": True}).returning(cell.c.key)
        frontier = [row.key for row in session.execute(statement)]
        skipped += len(frontier)
    count_done(session, audit_id, skipped)
    return skipped


def count_done(session: Connection, audit_id: str, number: int) -> None:
    """Count so many more cells of an audit as done."""
    session.execute(update(audit).where(audit.c.id == audit_id).values(cells_done=audit.c.cells_done + number))


def done_at(now: datetime) -> dict[str, Any]:
    """The columns of a cell that is done."""
    return {"state": CellState.DONE, "owner": None, "lease_until": None, "finished_at": now}


def _make_ready(session: Connection, audit_id: str, needs: ColumnElement[bool], now: datetime) -> list[str]:
    waiting = (cell.c.audit_id == audit_id) & (cell.c.state == CellState.WAITING) & needs
    changed = update(cell).where(waiting).values(state=CellState.READY, dispatched_at=now)
    rows = session.execute(changed.returning(cell.c.position, cell.c.key))
    return [row.key for row in sorted(rows, key=lambda row: int(row.position))]
