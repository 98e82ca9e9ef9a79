"""Taking audits and models out of the store, and the bytes that nothing refers to any more."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import CompoundSelect, Connection, delete, func, select, union_all

from auditor.errors import StoreError
from auditor.store.cells import LIVE
from auditor.store.models import StoredModel, get_model
from auditor.store.schema import audit, blob, model, twin, variant


def remove_audits(session: Connection, audit_ids: Sequence[str]) -> int:
    """Remove audits with their cells, variants, interpretations and findings; how many there were.

    The twins that they made stay with the model, for other audits.

    Raises:
        StoreError: one of them still runs; nothing is removed.
    """
    chosen = audit.c.id.in_(audit_ids)
    running = session.execute(select(audit.c.id).where(chosen, audit.c.state.in_(LIVE))).scalars().first()
    if running is not None:
        raise StoreError(f"audit {running} still runs", action=f"type `dyck-audit cancel {running}` first")
    number: int = session.execute(delete(audit).where(chosen)).rowcount
    remove_orphans(session)
    return number


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


def remove_orphans(session: Connection) -> int:
    """Remove the bytes that no model, variant, twin or audit refers to; how many bytes.

    Safe beside a writer: on PostgreSQL a reference made meanwhile makes this transaction fail, not the reference.
    """
    used: CompoundSelect[str] = union_all(
        select(model.c.weights_sha256),
        select(twin.c.weights_sha256),
        select(variant.c.weights_sha256).where(variant.c.weights_sha256.is_not(None)),
        select(audit.c.strings_sha256).where(audit.c.strings_sha256.is_not(None)),
    )
    orphan = blob.c.sha256.not_in(used)
    size: int = session.execute(select(func.coalesce(func.sum(blob.c.size), 0)).where(orphan)).scalar_one()
    session.execute(delete(blob).where(orphan))
    return int(size)
