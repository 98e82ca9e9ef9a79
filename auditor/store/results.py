"""What the cells of an audit found before its conclusion: the original's behaviour, and the variants with weights."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, func, select, update

from auditor.errors import NotFoundError
from auditor.records import Behaviour, Stage, Variant
from auditor.store.blobs import SAFETENSORS, get_blob, put_blob
from auditor.store.columns import require_clean_json
from auditor.store.schema import audit, cell, variant
from auditor.store.upsert import insert_or_replace


def save_behaviour(session: Connection, audit_id: str, behaviour: Behaviour) -> None:
    """Store how the original behaves on its language; a second time replaces the first.

    Raises:
        NotFoundError: no such audit.
    """
    changed = session.execute(update(audit).where(audit.c.id == audit_id).values(behaviour=behaviour.to_json()))
    if changed.rowcount != 1:
        raise NotFoundError(f"no audit {audit_id!r}", action="list them with `dyck-audit history`")


def load_behaviour(session: Connection, audit_id: str) -> Behaviour | None:
    """The stored behaviour; None before it was measured.

    Raises:
        NotFoundError: no such audit.
    """
    row = session.execute(select(audit.c.behaviour).where(audit.c.id == audit_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"no audit {audit_id!r}", action="list them with `dyck-audit history`")
    return None if row.behaviour is None else Behaviour.from_json(row.behaviour)


def save_variant(session: Connection, audit_id: str, built: Variant, weights: bytes | None = None) -> Variant:
    """Store a variant and its weights; a second time replaces the first. The variant with its weights' SHA-256.

    Raises:
        UnstorableValueError: a number of its certificate or parameters is not finite.
    """
    if weights is not None:
        built = replace(built, weights_sha256=put_blob(session, weights, SAFETENSORS))
    body = built.to_json()
    require_clean_json(body, name=f"variant {built.key}")
    row = {
        "audit_id": audit_id,
        "key": built.key,
        "equivalence": built.equivalence,
        "state": str(built.state),
        "weights_sha256": built.weights_sha256,
        "body": body,
    }
    insert_or_replace(session, variant, row)
    return built


def load_variant(session: Connection, audit_id: str, key: str) -> Variant:
    """One variant of an audit.

    Raises:
        NotFoundError: the audit has no such variant (yet).
    """
    query = select(variant.c.body).where(variant.c.audit_id == audit_id, variant.c.key == key)
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"audit {audit_id} has no variant {key!r}", action=f"see `dyck-audit show {audit_id}`")
    return Variant.from_json(row.body)


def load_variants(session: Connection, audit_id: str) -> tuple[Variant, ...]:
    """The variants of an audit that are stored, in the order of its plan, whatever the order they were built in."""
    builds = (cell.c.audit_id == variant.c.audit_id) & (cell.c.variant == variant.c.key) & (cell.c.stage == Stage.BUILD)
    query = (
        select(variant.c.body)
        .join_from(variant, cell, builds, isouter=True)
        .where(variant.c.audit_id == audit_id)
        .order_by(func.coalesce(cell.c.position, -1), variant.c.key)
    )
    return tuple(Variant.from_json(row.body) for row in session.execute(query))


def load_weights(session: Connection, sha256: str) -> bytes:
    """The safetensors of a model or a variant.

    Raises:
        NotFoundError: no such weights.
        StoreError: they were changed in the database.
    """
    return get_blob(session, sha256)
