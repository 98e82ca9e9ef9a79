"""Exactly-once in effect: claim a cell, compute outside, then write its results and its end in one transaction.

    claim_cell      READY -> RUNNING under a lease; nothing for a message that came twice or too late
    extend_lease    while computing; False tells the worker to stop
    (results)       written by the caller, keyed by what they are
    finish_cell     the fence: DONE only for the owner, else LostLeaseError and the caller's results are rolled back
    fail_cell       READY again or FAILED; what needs a failed cell is BLOCKED, the conclusion excepted

Every function that changes states locks the audit's row first, so that two workers on PostgreSQL never deadlock;
write results before finish_cell, never after.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update

from auditor.errors import StoreError
from auditor.records import ALL_OTHERS, AuditState, Cell, CellState, Json, Stage
from auditor.store.clock import database_now, is_ahead, lease_end
from auditor.store.locking import lock_audit
from auditor.store.needs import block_dependents, conclusion_ready, count_done, dependents_ready, done_at
from auditor.store.schema import audit, cell

MAX_ATTEMPTS = 3
"""Claims of one cell before it counts as failed: without it a cell that kills its worker would be run without end."""

LIVE = (AuditState.QUEUED, AuditState.RUNNING)
"""States of an audit whose cells may be claimed."""

_ERROR_LETTERS = 4000


class LostLeaseError(StoreError):
    """The cell belongs to another worker, is over, or its audit was cancelled: what was computed must not be stored."""


@dataclass(frozen=True, slots=True)
class ClaimedCell:
    """A cell and what a worker must know to compute it."""

    audit_id: str
    model_id: str
    plan: dict[str, Json]
    seed: int
    cell: Cell
    attempt: int
    owner: str
    lease_until: datetime


def claim_cell(session: Connection, audit_id: str, key: str, *, owner: str, lease_seconds: float) -> ClaimedCell | None:
    """Take a ready cell, or a running one whose lease has run out. None: there is nothing to do for this message.

    ``owner`` must be new at every claim (a process and a random part); it is the fence at the end. The lease is one
    minute at most.
    """
    parent = lock_audit(session, audit_id)
    if parent is None or parent.state not in LIVE:
        return None
    now = database_now(session)
    expired = has_expired(now) & (cell.c.attempt < MAX_ATTEMPTS)
    statement = (
        update(cell)
        .where(_is(audit_id, key), (cell.c.state == CellState.READY) | expired)
        .values(
            state=CellState.RUNNING,
            owner=owner,
            attempt=cell.c.attempt + 1,
            lease_until=lease_end(now, lease_seconds),
            started_at=now,
            error=None,
        )
        .returning(*cell.c)
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        return None
    if parent.state == AuditState.QUEUED:
        started = {"state": AuditState.RUNNING, "started_at": func.coalesce(audit.c.started_at, now)}
        session.execute(update(audit).where(audit.c.id == audit_id).values(started))
    return ClaimedCell(
        audit_id=audit_id,
        model_id=parent.model_id,
        plan=parent.plan,
        seed=parent.seed,
        cell=Cell(row.key, Stage(row.stage), row.needs, row.variant, tuple(row.methods)),
        attempt=row.attempt,
        owner=owner,
        lease_until=row.lease_until,
    )


def extend_lease(session: Connection, audit_id: str, key: str, *, owner: str, lease_seconds: float) -> bool:
    """Keep a cell for longer. False: it was taken over or its audit cancelled; stop computing."""
    until = lease_end(database_now(session), lease_seconds)
    statement = update(cell).where(_is(audit_id, key), _held_by(owner)).values(lease_until=until)
    return session.execute(statement).rowcount == 1


def finish_cell(session: Connection, audit_id: str, key: str, *, owner: str) -> list[str]:
    """End a cell in the transaction that holds its results; the keys now ready, to be sent after the commit.

    Raises:
        LostLeaseError: the owner no longer holds the cell; the caller's transaction must roll back.
    """
    parent = lock_audit(session, audit_id)
    now = database_now(session)
    ended = update(cell).where(_is(audit_id, key), _held_by(owner)).values(done_at(now))
    if parent is None or session.execute(ended).rowcount != 1:
        raise _lost(audit_id, key, owner)
    count_done(session, audit_id, 1)
    ready = dependents_ready(session, audit_id, key, now) + conclusion_ready(session, audit_id, now)
    return ready if parent.state in LIVE else []


def fail_cell(session: Connection, audit_id: str, key: str, *, owner: str, error: str, final: bool) -> list[str]:
    """Note an error: READY for another attempt, or, when ``final`` or the attempts are used up, FAILED.

    Other cells keep their results, and go on. The keys that are ready now, to be sent after the commit: the cell itself
    for another attempt, or the conclusion where this was the last cell that could run.

    Raises:
        LostLeaseError: the owner no longer holds the cell, so its error is not recorded.
    """
    lock_audit(session, audit_id)
    held = select(cell.c.attempt).where(_is(audit_id, key), _held_by(owner))
    attempt = session.execute(held).scalar_one_or_none()
    if attempt is None:
        raise _lost(audit_id, key, owner)
    if final or attempt >= MAX_ATTEMPTS:
        return fail_for_good(session, audit_id, key, error=error)
    release = {"state": CellState.READY, "owner": None, "lease_until": None, "dispatched_at": database_now(session)}
    session.execute(update(cell).where(_is(audit_id, key)).values(release | {"error": _storable(error)}))
    return [key]


def fail_for_good(session: Connection, audit_id: str, key: str, *, error: str) -> list[str]:
    """End a cell as failed and block what needs it; the keys that are ready now. The caller has locked the audit.

    The audit keeps its first error and goes on, so that its report has all the rest. Without its conclusion it has no
    report, and fails.
    """
    now = database_now(session)
    ended = {
        "state": CellState.FAILED,
        "owner": None,
        "lease_until": None,
        "finished_at": now,
        "error": _storable(error),
    }
    needs = session.execute(update(cell).where(_is(audit_id, key)).values(ended).returning(cell.c.needs)).scalar_one()
    reason = func.coalesce(audit.c.error, _storable(f"{key}: {error}"))
    noted: dict[str, Any] = {"cells_failed": audit.c.cells_failed + 1, "error": reason}
    if needs == ALL_OTHERS:
        noted |= {"state": AuditState.FAILED, "finished_at": now, "error": _storable(f"{key}: {error}")}
    session.execute(update(audit).where(audit.c.id == audit_id).values(noted))
    block_dependents(session, audit_id, key)
    return conclusion_ready(session, audit_id, now)


def has_expired(now: datetime) -> ColumnElement[bool]:
    """Whether a cell runs under a lease that has run out, or was given before the clock was set back."""
    return (cell.c.state == CellState.RUNNING) & ((cell.c.lease_until < now) | is_ahead(cell.c.lease_until, now))


def _is(audit_id: str, key: str) -> ColumnElement[bool]:
    return (cell.c.audit_id == audit_id) & (cell.c.key == key)


def _held_by(owner: str) -> ColumnElement[bool]:
    return (cell.c.state == CellState.RUNNING) & (cell.c.owner == owner)


def _lost(audit_id: str, key: str, owner: str) -> LostLeaseError:
    return LostLeaseError(
        f"cell {key} of audit {audit_id} is no longer held by {owner}",
        expected="its owner",
        action="discard what it computed",
    )


def _storable(error: str) -> str:
    """An error's text as the databases can hold it: a refusal here would hide the error."""
    plain = error.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")
    return plain if len(plain) <= _ERROR_LETTERS else plain[: _ERROR_LETTERS - 1] + "…"
