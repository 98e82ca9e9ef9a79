"""How far an audit is, and how long it takes until what a fault had hit is taken up again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from auditor.records import CellState
from auditor.store import Database, StoredAudit, progress
from auditor.store.schema import cell
from tests.acceptance.completeness import is_complete
from tests.acceptance.worker_process import WorkerProcess, eventually
from tests.workers import standins

Attempts = Mapping[str, tuple[CellState, int]]
"""Each cell's state, and how often it was claimed."""


@dataclass(frozen=True)
class Computing:
    """An audit of stand-in cells of which the first worker computes some, and what follows a fault."""

    database: Database
    audit: StoredAudit
    workers: Sequence[WorkerProcess]
    note: Callable[[str, float], None]  # for the table of the times to recover

    @property
    def worker(self) -> WorkerProcess:
        """The one that computes; others may."""
        return self.workers[0]

    def attempts(self) -> Attempts:
        """Each cell's state, and how often it was claimed."""
        return attempts(self.database, self.audit)

    def goes_on(self, fault: str) -> None:
        """After a fault that ends now: one more cell is done, and at the end nothing is missing or twice there."""
        self.note(fault, until_progress(self.database, self.audit, time.monotonic()))
        assert is_complete(self.database, self.audit.id)

    def is_taken_up(self, fault: str, before: Attempts, keys: set[str], since: float | None = None) -> None:
        """After a fault, now or ``since``: each of these cells is claimed once more than before it, or done."""
        started = time.monotonic() if since is None else since
        self.note(fault, until_taken_up(self.database, self.audit, before, keys, started))

    def is_complete(self) -> bool:
        """Whether at the end nothing is missing or twice there."""
        return is_complete(self.database, self.audit.id)


def done(database: Database, audit: StoredAudit) -> int:
    """How many cells are done."""
    with database.transaction(read_only=True) as session:
        return progress(session, audit.id).done


def attempts(database: Database, audit: StoredAudit) -> Attempts:
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


def until_taken_up(database: Database, audit: StoredAudit, before: Attempts, keys: set[str], since: float) -> float:
    """Seconds until every one of these cells is claimed once more than before, or done."""

    def taken_up() -> bool:
        now = attempts(database, audit)
        return all(now[key][0] is CellState.DONE or now[key][1] > before[key][1] for key in keys)

    eventually(taken_up, f"{keys} are taken up again")
    return time.monotonic() - since


def until_queued_again(database: Database, audit: StoredAudit, before: Attempts, keys: set[str]) -> None:
    """Wait until none of these cells is held by who held it before; in a long queue they then wait for their turn."""

    def queued_again() -> bool:
        now = attempts(database, audit)
        return all(now[key] != before[key] for key in keys)

    eventually(queued_again, f"{keys} are queued again")


def running(found: Attempts) -> set[str]:
    """The cells among these that are being computed."""
    return {key for key, (state, _) in found.items() if state is CellState.RUNNING}
