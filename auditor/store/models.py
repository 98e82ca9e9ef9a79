"""Stored models: what they are, where they came from, and their weights by content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from auditor.records import Json
from auditor.store.blobs import SAFETENSORS, put_blob
from auditor.store.clock import database_now
from auditor.store.digests import digest
from auditor.store.ids import content_id, only_match, resolve
from auditor.store.schema import model
from auditor.store.upsert import insert_if_missing

_LIST_COMMAND = "dyck-audit models list"


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One model. Its id follows from weights, architecture and task, so it is the same in every database."""

    id: str
    name: str
    sha256: str  # of the file it came from
    format: str
    architecture: Mapping[str, Json]
    task: Mapping[str, Json]
    weights_sha256: str  # of the canonical safetensors
    function_fingerprint: str | None
    parameters: int
    created_at: datetime


def add_model(
    session: Connection,
    *,
    name: str,
    format: str,  # noqa: A002 - the word of the report schema
    source_sha256: str,
    architecture: Mapping[str, Json],
    task: Mapping[str, Json],
    weights: bytes,
    parameters: int,
    function_fingerprint: str | None = None,
) -> StoredModel:
    """Store a model and its weights; the same weights, architecture and task again are the model that is there."""
    identity = _identity(weights, architecture, task)
    row = {
        "id": content_id("m", identity),
        "identity": identity,
        "name": name,
        "sha256": source_sha256,
        "format": format,
        "architecture": dict(architecture),
        "task": dict(task),
        "weights_sha256": put_blob(session, weights, SAFETENSORS),
        "function_fingerprint": function_fingerprint,
        "parameters": parameters,
        "created_at": database_now(session),
    }
    insert_if_missing(session, model, row, unique=["identity"])
    return _record(session.execute(select(model).where(model.c.identity == identity)).one())


def find_model(
    session: Connection, *, weights: bytes, architecture: Mapping[str, Json], task: Mapping[str, Json]
) -> StoredModel | None:
    """The stored model of these weights, architecture and task, if there is one."""
    query = select(model).where(model.c.identity == _identity(weights, architecture, task))
    row = session.execute(query).one_or_none()
    return None if row is None else _record(row)


def resolve_model(session: Connection, text: str) -> str:
    """The id of the model meant by an id, an exact name, or an unambiguous prefix of an id.

    Raises:
        NotFoundError, AmbiguousError: none, or several of that name or prefix.
    """
    named = session.execute(
        select(model.c.id).where((model.c.name == text) | (model.c.id == text)).order_by(model.c.id)
    )
    ids = [row.id for row in named]
    if ids:
        return text if text in ids else only_match(text, ids, what="model", list_command=_LIST_COMMAND)
    return resolve(session, text, id_column=model.c.id, what="model", list_command=_LIST_COMMAND)


def get_model(session: Connection, text: str) -> StoredModel:
    """The model that an id, a prefix or a name means.

    Raises:
        NotFoundError, AmbiguousError: none, or several.
    """
    return _record(session.execute(select(model).where(model.c.id == resolve_model(session, text))).one())


def list_models(session: Connection, *, limit: int | None = None) -> list[StoredModel]:
    """The stored models, newest first."""
    query = select(model).order_by(model.c.created_at.desc(), model.c.id)
    return [_record(row) for row in session.execute(query.limit(limit))]


def count_models(session: Connection) -> int:
    """How many models are stored."""
    return session.execute(select(func.count()).select_from(model)).scalar_one()


def _identity(weights: bytes, architecture: Mapping[str, Json], task: Mapping[str, Json]) -> str:
    return digest({"weights": hashlib.sha256(weights).hexdigest(), "architecture": architecture, "task": task})


def _record(row: Row[Any]) -> StoredModel:
    return StoredModel(
        id=row.id,
        name=row.name,
        sha256=row.sha256,
        format=row.format,
        architecture=row.architecture,
        task=row.task,
        weights_sha256=row.weights_sha256,
        function_fingerprint=row.function_fingerprint,
        parameters=row.parameters,
        created_at=row.created_at,
    )
