"""Taking audits and models out of the store, and the bytes that nothing refers to any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import CompoundSelect, Connection, delete, func, select, union_all

from auditor.errors import StoreError
from auditor.store.cells import LIVE
from auditor.store.models import StoredModel, get_model
from auditor.store.schema import audit, baseline, blob, finding, metadata, model

_AT_ONCE: Final = 500
"""Ids in one statement: SQLite takes 32,766 parameters, PostgreSQL 65,535."""


def remove_audits(session: Connection, audit_ids: Sequence[str]) -> int:
    """Remove audits with their cells, variants, interpretations and findings; how many there were.

    The twins that they made stay with the model, for other audits.

    Raises:
        StoreError: one of them still runs; nothing is removed.
    """
    live = set(session.execute(select(audit.c.id).where(audit.c.state.in_(LIVE))).scalars())
    running = next((one for one in audit_ids if one in live), None)
    if running is not None:
        raise StoreError(f"audit {running} still runs", action=f"type `dyck-audit cancel {running}` first")
    number = _delete(session, audit_ids)[0]
    remove_orphans(session)
    return number


def _delete(session: Connection, audit_ids: Sequence[str]) -> tuple[int, int]:
    """How many audits went, and findings with them."""
    audits = findings = 0
    for at in range(0, len(audit_ids), _AT_ONCE):
        some = audit_ids[at : at + _AT_ONCE]
        counted = select(func.count()).select_from(finding).where(finding.c.audit_id.in_(some))
        findings += session.execute(counted).scalar_one()
        audits += session.execute(delete(audit).where(audit.c.id.in_(some))).rowcount
    return audits, findings


def remove_model(session: Connection, text: str, *, with_audits: bool = False) -> StoredModel:
    """Remove a model with its twins, and its audits if ``with_audits``; the model that was removed.

    Raises:
        NotFoundError, AmbiguousError: none, or several.
        StoreError: it has audits and ``with_audits`` was not given, or one of them still runs; nothing is removed.
    """
    found = get_model(session, text)
    audits = session.execute(select(audit.c.id).where(audit.c.model_id == found.id)).scalars().all()
    if audits and not with_audits:
        raise StoreError(
            f"model {found.name} ({found.id}) has {len(audits)} audits",
            expected="a model without audits",
            action="add --with-audits to remove them too",
        )
    if audits:
        remove_audits(session, audits)
    session.execute(delete(model).where(model.c.id == found.id))
    remove_orphans(session)
    return found


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went: numbers of audits and findings, bytes of weights and strings that only they needed.

    ``kept`` are audits that are old enough, but that others are compared with or continue from.
    """

    audits: int
    findings: int
    bytes: int
    kept: int


def prune_audits(session: Connection, *, before: datetime) -> Pruned:
    """Remove the audits that ended before a time, except those in ``kept``.

    Models, their twins and calibrations stay too.
    """
    old = select(audit.c.id).where(audit.c.finished_at < before, audit.c.state.not_in(LIVE))
    found = session.execute(old.order_by(audit.c.finished_at)).scalars().all()
    needed = _needed(session)
    gone = [audit_id for audit_id in found if audit_id not in needed]
    audits, findings = _delete(session, gone)
    return Pruned(audits, findings, remove_orphans(session), len(found) - len(gone))


def _needed(session: Connection) -> frozenset[str]:
    """Audits that are a model's baseline, or that a queued or running audit continues from."""
    baselines = session.execute(select(baseline.c.audit_id)).scalars().all()
    plans = session.execute(select(audit.c.plan).where(audit.c.state.in_(LIVE))).scalars()
    continued = [str(plan["continues"]) for plan in plans if plan.get("continues")]
    return frozenset((*baselines, *continued))


def remove_orphans(session: Connection) -> int:
    """Remove the bytes that no row of any table refers to; how many bytes.

    Safe beside a writer: on PostgreSQL a reference made meanwhile makes this transaction fail, not the reference.
    """
    references = [
        key.parent for table in metadata.sorted_tables for key in table.foreign_keys if key.column is blob.c.sha256
    ]
    used: CompoundSelect[str] = union_all(*(select(column).where(column.is_not(None)) for column in references))
    orphan = blob.c.sha256.not_in(used)
    size: int = session.execute(select(func.coalesce(func.sum(blob.c.size), 0)).where(orphan)).scalar_one()
    session.execute(delete(blob).where(orphan))
    return int(size)
