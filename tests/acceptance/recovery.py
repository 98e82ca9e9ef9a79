"""How far an audit is, and how long it takes until what a fault had hit is taken up again."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sqlalchemy import select

from auditor.records import CellState
from auditor.store import Database, StoredAudit, progress
from auditor.store.schema import cell
from tests.acceptance.worker_process import eventually
from tests.workers import standins


def done(database: Database, audit: StoredAudit) -> int:
    """How many cells are done."""
    with database.transaction(read_only=True) as session:
        return progress(session, audit.id).done


def attempts(database: Database, audit: StoredAudit) -> dict[str, tuple[CellState, int]]:
    """Each cell's state, and how often it was claimed."""
    with database.transaction(read_only=True) as session:
        rows = session.execute(select(cell.c.key, cell.c.state, cell.c.attempt).where(cell.c.audit_id == audit.id))
        return {row.key: (CellState(row.state), row.attempt) for row in rows}


def until_progress(database: Database, audit: StoredAudit, since: float) -> float:
    """Seconds until one more cell is done, or all are."""
    before = done(database, audit)
    eventually(
        lambda: done(database, audit) > before or before == len(standins.MANY_CELLS), "work goes on after the fault"
    )
    return time.monotonic() - since


def until_taken_up(
    database: Database, audit: StoredAudit, before: Mapping[str, tuple[CellState, int]], keys: set[str], since: float
) -> float:
    """Seconds until every one of these cells is claimed once more than before, or done."""

    def taken_up() -> bool:
        now = attempts(database, audit)
        return all(now[key][0] is CellState.DONE or now[key][1] > before[key][1] for key in keys)

    eventually(taken_up, f"{keys} are taken up again")
    return time.monotonic() - since


def until_queued_again(
    database: Database, audit: StoredAudit, before: Mapping[str, tuple[CellState, int]], keys: set[str]
) -> None:
    """Wait until none of these cells is held by who held it before; in a long queue they then wait for their turn."""

    def queued_again() -> bool:
        now = attempts(database, audit)
        return all(now[key] != before[key] for key in keys)

    eventually(queued_again, f"{keys} are queued again")


def running(found: Mapping[str, tuple[CellState, int]]) -> set[str]:
    """The cells among these that are being computed."""
    return {key for key, (state, _) in found.items() if state is CellState.RUNNING}
