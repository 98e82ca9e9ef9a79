"""The audit that later ones of a model are compared with: one for all models of a name, so that a retrained model of
the same name is compared with what was pinned before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from auditor.errors import NotFoundError, StoreError
from auditor.store.audits import StoredAudit, get_audit
from auditor.store.clock import database_now
from auditor.store.schema import baseline, model


@dataclass(frozen=True, slots=True)
class Baseline:
    """A pinned audit."""

    model_name: str
    audit_id: str
    pinned_at: datetime


def set_baseline(session: Connection, text: str) -> StoredAudit:
    """Pin an audit for all models of its model's name, in place of the one before.

    Raises:
        NotFoundError, AmbiguousError: none, or several.
        StoreError: it has no report to compare with.
    """
    found = get_audit(session, text)
    if found.verdicts is None:
        raise StoreError(
            f"audit {found.id} is {found.state} and has no report",
            expected="an audit that is done",
            action=f"follow it with `dyck-audit watch {found.id}`",
        )
    _delete(session, found.model_name)
    row = {"model_id": found.model_id, "audit_id": found.id, "created_at": database_now(session)}
    session.execute(insert(baseline).values(row))
    return found


def get_baseline(session: Connection, audit: StoredAudit) -> str:
    """The id of the audit that an audit is compared with.

    Raises:
        NotFoundError: none is pinned for its model's name.
        StoreError: it is the baseline itself.
    """
    query = select(baseline.c.audit_id).join_from(baseline, model).where(model.c.name == audit.model_name)
    found = session.execute(query.order_by(baseline.c.created_at.desc())).scalars().first()
    if found is None:
        raise NotFoundError(
            f"no baseline is pinned for models named {audit.model_name[:100]!r}",
            action="pin one with `dyck-audit baseline set AUDIT`, or name two audits",
        )
    if found == audit.id:
        raise StoreError(f"audit {audit.id} is the baseline of its model", expected="another audit to compare with it")
    return found


def list_baselines(session: Connection) -> list[Baseline]:
    """All pinned audits, by the names of their models."""
    query = select(model.c.name, baseline.c.audit_id, baseline.c.created_at).join_from(baseline, model)
    return [Baseline(*row) for row in session.execute(query.order_by(model.c.name))]


def clear_baseline(session: Connection, text: str) -> Baseline:
    """Unpin the audit of a model's name, or the one that an audit's id means; what was pinned.

    Raises:
        NotFoundError, AmbiguousError: nothing of that name is pinned and no audit is meant, or several are.
    """
    pinned = {one.model_name: one for one in list_baselines(session)}
    name = text if text in pinned else get_audit(session, text).model_name
    if name not in pinned:
        raise NotFoundError(f"no baseline is pinned for models named {name[:100]!r}", action="see `baseline list`")
    _delete(session, name)
    return pinned[name]


def _delete(session: Connection, name: str) -> None:
    of_name = select(model.c.id).where(model.c.name == name)
    session.execute(delete(baseline).where(baseline.c.model_id.in_(of_name)))
