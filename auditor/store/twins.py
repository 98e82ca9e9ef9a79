"""Trained twins by their recipe: what one audit has made, the next one of the same model need not make again.

A twin belongs to its model and stays when the audit that made it goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from auditor.records import Json, Relabelling
from auditor.store.blobs import SAFETENSORS, put_blob
from auditor.store.clock import database_now
from auditor.store.digests import digest
from auditor.store.schema import twin
from auditor.store.upsert import insert_if_missing


@dataclass(frozen=True, slots=True)
class StoredTwin:
    """A twin without its weights, which are stored under their SHA-256."""

    weights_sha256: str
    made_by: str  # id of the audit, which may be gone
    parameters: Mapping[str, Json] = field(default_factory=dict)
    relabelling: Relabelling = field(default_factory=Relabelling)


def save_twin(
    session: Connection,
    model_id: str,
    recipe: Mapping[str, Json],
    weights: bytes,
    *,
    made_by: str,
    parameters: Mapping[str, Json],
    relabelling: Relabelling,
) -> None:
    """Store a twin of a model unless one of the same recipe is there.

    Raises:
        UnstorableValueError: the recipe or the parameters are not clean JSON.
    """
    row = {
        "model_id": model_id,
        "recipe": digest(recipe),
        "weights_sha256": put_blob(session, weights, SAFETENSORS),
        "body": {"parameters": dict(parameters), "relabelling": relabelling.to_json()},
        "made_by": made_by,
        "created_at": database_now(session),
    }
    insert_if_missing(session, twin, row, unique=["model_id", "recipe"])


def find_twin(session: Connection, model_id: str, recipe: Mapping[str, Json]) -> StoredTwin | None:
    """The twin that was made of a model by this recipe, if there is one."""
    query = select(twin).where(twin.c.model_id == model_id, twin.c.recipe == digest(recipe))
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    return StoredTwin(
        weights_sha256=row.weights_sha256,
        made_by=row.made_by,
        parameters=row.body["parameters"],
        relabelling=Relabelling.from_json(row.body["relabelling"]),
    )
