"""Bytes named by their SHA-256: written once, checked at every reading."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, select

from auditor.errors import NotFoundError, StoreError
from auditor.store.clock import database_now
from auditor.store.schema import blob
from auditor.store.upsert import insert_if_missing

SAFETENSORS = "application/x-safetensors"
STRINGS = "text/plain"


def put_blob(session: Connection, data: bytes, media_type: str) -> str:
    """Store the bytes unless they are there; their SHA-256 in hex."""
    sha256 = hashlib.sha256(data).hexdigest()
    row = {
        "sha256": sha256,
        "media_type": media_type,
        "size": len(data),
        "data": data,
        "created_at": database_now(session),
    }
    insert_if_missing(session, blob, row, unique=["sha256"])
    return sha256


def get_blob(session: Connection, sha256: str) -> bytes:
    """The bytes with this SHA-256.

    Raises:
        NotFoundError: no such bytes.
        StoreError: the stored bytes have another hash: the database was changed or damaged.
    """
    data = session.execute(select(blob.c.data).where(blob.c.sha256 == sha256)).scalar_one_or_none()
    if data is None:
        raise NotFoundError(f"no stored bytes have the SHA-256 {sha256}", action="submit the model again")
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise StoreError(
            f"stored bytes have the SHA-256 {found}",
            expected=sha256,
            action="the database is damaged: restore a backup or submit the model again",
        )
    return bytes(data)
