"""What must be sent to the workers: SQL is the truth, a message only a hint, so any message may be lost or come twice.

``dispatched_at`` is when a cell was last handed over for sending. Becoming ready counts as that, so a sweep that runs
beside a sender does not send the same cells at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import Connection, select, update

from auditor.records import CellState, Priority
from auditor.store.cells import LIVE, MAX_ATTEMPTS, fail_for_good, has_expired
from auditor.store.clock import database_now, is_ahead
from auditor.store.locking import lock_audit
from auditor.store.schema import audit, cell

CellId = tuple[str, str]
"""(audit id, cell key)."""


def ready_cells(session: Connection, audit_id: str | None = None, *, not_dispatched_since: float = 0.0) -> list[CellId]:
    """The ready cells of one live audit or of all, that were not handed over in the last so many seconds.

    With 0 these are all ready cells: what to send after create_audit or retry_audit, and after a restart. With some
    seconds these are the ones whose message may be lost. Interactive audits come first, then those of a batch; among
    audits of one priority the oldest first, its cells in the order of its plan.
    """
    query = (
        select(cell.c.audit_id, cell.c.key)
        .join_from(cell, audit)
        .where(cell.c.state == CellState.READY, audit.c.state.in_(LIVE))
        .order_by(audit.c.priority, audit.c.created_at, audit.c.id, cell.c.position)
    )
    if not_dispatched_since > 0:
        now, sent = database_now(session), cell.c.dispatched_at
        latest = now - timedelta(seconds=not_dispatched_since)
        query = query.where(sent.is_(None) | (sent <= latest) | is_ahead(sent, now))
    if audit_id is not None:
        query = query.where(cell.c.audit_id == audit_id)
    return [(row.audit_id, row.key) for row in session.execute(query)]


def priorities(session: Connection, cells: Iterable[CellId]) -> dict[str, Priority]:
    """The priority of each audit of these cells."""
    ids = {audit_id for audit_id, _ in cells}
    query = select(audit.c.id, audit.c.priority).where(audit.c.id.in_(ids))
    return {row.id: Priority(row.priority) for row in session.execute(query)}


def mark_dispatched(session: Connection, cells: Iterable[CellId]) -> None:
    """Note that these cells were sent just now."""
    now = database_now(session)
    for audit_id, keys in sorted(_by_audit(cells).items()):
        sent = update(cell).where(cell.c.audit_id == audit_id, cell.c.key.in_(keys))
        session.execute(sent.values(dispatched_at=now))


def expired_cells(session: Connection) -> list[CellId]:
    """Make the running cells whose lease has run out ready again and hand them over for sending.

    A cell that has used up its attempts fails instead; what that makes ready is handed over too. One that finished
    meanwhile stays.
    """
    now = database_now(session)
    expired = has_expired(now)
    query = select(cell.c.audit_id, cell.c.key).join_from(cell, audit).where(expired, audit.c.state.in_(LIVE))
    released: list[CellId] = []
    for audit_id in sorted(_by_audit((row.audit_id, row.key) for row in session.execute(query))):
        lock_audit(session, audit_id)
        mine = (cell.c.audit_id == audit_id) & expired
        spent = select(cell.c.key).where(mine, cell.c.attempt >= MAX_ATTEMPTS).order_by(cell.c.position)
        for key in session.execute(spent.with_for_update()).scalars().all():
            error = f"its worker was lost {MAX_ATTEMPTS} times (killed, out of memory, or over the time limit)"
            released += [(audit_id, other) for other in fail_for_good(session, audit_id, key, error=error)]
        release = {"state": CellState.READY, "owner": None, "lease_until": None, "dispatched_at": now}
        rows = session.execute(update(cell).where(mine).values(release).returning(cell.c.position, cell.c.key))
        released += [(audit_id, row.key) for row in sorted(rows, key=lambda row: int(row.position))]
    return released


def release_cells(session: Connection, *, owners: str) -> list[CellId]:
    """Give back the running cells of the owners whose names begin so, as if they had never been claimed.

    For workers that were stopped on purpose: what they held need not wait for its lease, and loses no attempt.
    """
    held = (cell.c.state == CellState.RUNNING) & cell.c.owner.startswith(owners, autoescape=True)
    found = [(row.audit_id, row.key) for row in session.execute(select(cell.c.audit_id, cell.c.key).where(held))]
    released: list[CellId] = []
    for audit_id in sorted(_by_audit(found)):
        lock_audit(session, audit_id)
        release = {"state": CellState.READY, "owner": None, "lease_until": None, "attempt": cell.c.attempt - 1}
        statement = update(cell).where(cell.c.audit_id == audit_id, held).values(release).returning(cell.c.key)
        released += [(audit_id, row.key) for row in session.execute(statement)]
    return released


def _by_audit(cells: Iterable[CellId]) -> dict[str, Sequence[str]]:
    keys: defaultdict[str, list[str]] = defaultdict(list)
    for audit_id, key in cells:
        keys[audit_id].append(key)
    return dict(keys)
