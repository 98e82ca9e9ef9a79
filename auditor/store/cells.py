"""Exactly-once in effect: claim a cell, compute outside, then write its results and its end in one transaction.

    claim_cell      READY -> RUNNING under a lease; nothing for a message that came twice or too late
    extend_lease    while computing; False tells the worker to stop
    (results)       written by the caller, keyed by what they are
    finish_cell     the fence: DONE only for the owner, else LostLeaseError and the caller's results are rolled back
    fail_cell       READY again or FAILED

Every function that changes states locks the audit's row first, so that two workers on PostgreSQL never deadlock;
write results before finish_cell, never after.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from auditor.errors import NotFoundError, StoreError
from auditor.records import ALL_OTHERS, AuditState, Cell, CellState, Json, Stage
from auditor.store.clock import database_now
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

    ``owner`` must be new at every claim (a process and a random part); it is the fence at the end.
    """
    parent = lock_audit(session, audit_id)
    if parent is None or parent.state not in LIVE:
        return None
    now = database_now(session)
    expired = (cell.c.state == CellState.RUNNING) & (cell.c.lease_until < now) & (cell.c.attempt < MAX_ATTEMPTS)
    statement = (
        update(cell)
        .where(_is(audit_id, key), (cell.c.state == CellState.READY) | expired)
        .values(
            state=CellState.RUNNING,
            owner=owner,
            attempt=cell.c.attempt + 1,
            lease_until=now + timedelta(seconds=lease_seconds),
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
    until = database_now(session) + timedelta(seconds=lease_seconds)
    statement = update(cell).where(_is(audit_id, key), _held_by(owner)).values(lease_until=until)
    return session.execute(statement).rowcount == 1


def finish_cell(session: Connection, audit_id: str, key: str, *, owner: str) -> list[str]:
    """End a cell in the transaction that holds its results; the keys now ready, to be sent after the commit.

    Raises:
        LostLeaseError: the owner no longer holds the cell; the caller's transaction must roll back.
    """
    parent = lock_audit(session, audit_id)
    now = database_now(session)
    ended = update(cell).where(_is(audit_id, key), _held_by(owner)).values(_done(now))
    if parent is None or session.execute(ended).rowcount != 1:
        raise _lost(audit_id, key, owner)
    _count_done(session, audit_id, 1)
    ready = _make_ready(session, audit_id, cell.c.needs == key, now)
    others = (cell.c.needs.is_(None) | (cell.c.needs != ALL_OTHERS)) & (cell.c.state != CellState.DONE)
    if session.execute(select(func.count()).where(cell.c.audit_id == audit_id, others)).scalar_one() == 0:
        ready += _make_ready(session, audit_id, cell.c.needs == ALL_OTHERS, now)
    return ready if parent.state in LIVE else []


def skip_dependents(session: Connection, audit_id: str, key: str) -> int:
    """Mark as done, without results, every waiting cell that needs this one, directly or not; how many.

    For a variant that could not be built or certified. Call it before :func:`finish_cell`, in the same transaction.
    """
    lock_audit(session, audit_id)
    now = database_now(session)
    skipped, frontier = 0, [key]
    while frontier:
        waiting = (cell.c.audit_id == audit_id) & (cell.c.state == CellState.WAITING) & cell.c.needs.in_(frontier)
        statement = update(cell).where(waiting).values(_done(now) | {"skipped": True}).returning(cell.c.key)
        frontier = [row.key for row in session.execute(statement)]
        skipped += len(frontier)
    _count_done(session, audit_id, skipped)
    return skipped


def fail_cell(session: Connection, audit_id: str, key: str, *, owner: str, error: str, final: bool) -> CellState:
    """Note an error: READY for another attempt, or, when ``final`` or the attempts are used up, FAILED with its audit.

    Other cells keep their results, and those running may still finish. Send the cell again when it is READY.

    Raises:
        LostLeaseError: the owner no longer holds the cell, so its error is not recorded.
    """
    lock_audit(session, audit_id)
    held = select(cell.c.attempt).where(_is(audit_id, key), _held_by(owner))
    attempt = session.execute(held).scalar_one_or_none()
    if attempt is None:
        raise _lost(audit_id, key, owner)
    if final or attempt >= MAX_ATTEMPTS:
        fail_for_good(session, audit_id, key, error=error)
        return CellState.FAILED
    release = {"state": CellState.READY, "owner": None, "lease_until": None, "dispatched_at": database_now(session)}
    session.execute(update(cell).where(_is(audit_id, key)).values(release | {"error": _storable(error)}))
    return CellState.READY


def fail_for_good(session: Connection, audit_id: str, key: str, *, error: str) -> None:
    """End a cell and its audit as failed; the audit keeps its first error. The caller has locked the audit."""
    now = database_now(session)
    ended = {
        "state": CellState.FAILED,
        "owner": None,
        "lease_until": None,
        "finished_at": now,
        "error": _storable(error),
    }
    session.execute(update(cell).where(_is(audit_id, key)).values(ended))
    session.execute(update(audit).where(audit.c.id == audit_id).values(cells_failed=audit.c.cells_failed + 1))
    first = {"state": AuditState.FAILED, "finished_at": now, "error": _storable(f"{key}: {error}")}
    session.execute(update(audit).where(audit.c.id == audit_id, audit.c.state.in_(LIVE)).values(first))


def lock_audit(session: Connection, audit_id: str) -> Row[Any] | None:
    """The audit's state, model, plan and seed, its row locked until the transaction ends; None when there is none.

    ``FOR NO KEY UPDATE`` on PostgreSQL: it lets rows that refer to the audit be written meanwhile.
    """
    query = select(audit.c.state, audit.c.model_id, audit.c.plan, audit.c.seed).where(audit.c.id == audit_id)
    return session.execute(query.with_for_update(key_share=True)).one_or_none()


def require_audit(session: Connection, audit_id: str) -> Row[Any]:
    """:func:`lock_audit` for an audit that must exist.

    Raises:
        NotFoundError: no audit has this id.
    """
    row = lock_audit(session, audit_id)
    if row is None:
        raise NotFoundError(f"no audit {audit_id!r}", action="list them with `dyck-audit history`")
    return row


def _is(audit_id: str, key: str) -> ColumnElement[bool]:
    return (cell.c.audit_id == audit_id) & (cell.c.key == key)


def _held_by(owner: str) -> ColumnElement[bool]:
    return (cell.c.state == CellState.RUNNING) & (cell.c.owner == owner)


def _done(now: datetime) -> dict[str, Any]:
    return {"state": CellState.DONE, "owner": None, "lease_until": None, "finished_at": now}


def _count_done(session: Connection, audit_id: str, number: int) -> None:
    session.execute(update(audit).where(audit.c.id == audit_id).values(cells_done=audit.c.cells_done + number))


def _make_ready(session: Connection, audit_id: str, needs: ColumnElement[bool], now: datetime) -> list[str]:
    waiting = (cell.c.audit_id == audit_id) & (cell.c.state == CellState.WAITING) & needs
    changed = update(cell).where(waiting).values(state=CellState.READY, dispatched_at=now)
    rows = session.execute(changed.returning(cell.c.position, cell.c.key))
    return [row.key for row in sorted(rows, key=lambda row: int(row.position))]


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
