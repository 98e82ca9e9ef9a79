"""The lock of an audit: who changes states of its cells takes it first, so that two workers never deadlock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from auditor.errors import NotFoundError
from auditor.store.schema import audit


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
