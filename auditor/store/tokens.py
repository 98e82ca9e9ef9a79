"""Access tokens of the web server. Only a SHA-256 of each is stored: the token itself is shown once, when it is made.

A token has 260 random bits, so its hash needs no salt and no slow function: neither a table nor a search finds it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select, update

from auditor.errors import StoreError
from auditor.store.clock import database_now
from auditor.store.ids import ALPHABET, new_id, resolve
from auditor.store.schema import token
from auditor.urls import TOKEN_LETTERS, TOKEN_PREFIX

USE_IS_NOTED_AFTER: Final = timedelta(minutes=10)
"""The time of the last use is only this exact, so that most requests write nothing."""


class Scope(StrEnum):
    """What a token allows; each scope allows what those before it do."""

    READ = "read"
    SUBMIT = "submit"  # upload models; start, cancel and retry audits
    ADMIN = "admin"  # remove models and audits

    def allows(self, wanted: Scope) -> bool:
        """Whether this scope covers another."""
        order = tuple(Scope)
        return order.index(self) >= order.index(wanted)


@dataclass(frozen=True, slots=True)
class StoredToken:
    """One token without its secret."""

    id: str
    scope: Scope
    name: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether it opens the door at this time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def create_token(
    session: Connection, scope: Scope, *, name: str | None = None, expires_at: datetime | None = None
) -> tuple[StoredToken, str]:
    """Make a token: what is stored of it, and the text to give to its user.

    Raises:
        StoreError: it would expire at once.
    """
    now = database_now(session)
    if expires_at is not None and expires_at <= now:
        raise StoreError(f"a token that expires at {expires_at.isoformat()}", expected="a time in the future")
    text = TOKEN_PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_LETTERS))
    token_id = new_id("k")
    row = {"id": token_id, "hash": _hash(text), "scope": str(scope), "name": name, "created_at": now}
    session.execute(insert(token).values(row | {"expires_at": expires_at}))
    return _get(session, token_id), text


def list_tokens(session: Connection) -> list[StoredToken]:
    """All tokens that were ever made, newest first."""
    rows = session.execute(select(token).order_by(token.c.created_at.desc(), token.c.id))
    return [_record(row) for row in rows]


def count_live_tokens(session: Connection) -> int:
    """How many tokens open the door now."""
    now = database_now(session)
    live = token.c.revoked_at.is_(None) & (token.c.expires_at.is_(None) | (token.c.expires_at > now))
    return session.execute(select(func.count()).select_from(token).where(live)).scalar_one()


def revoke_token(session: Connection, text: str) -> StoredToken:
    """End the token that an id or the start of one names; one that was revoked before stays as it is.

    Raises:
        NotFoundError, AmbiguousError: none, or several.
    """
    found = resolve(session, text, id_column=token.c.id, what="token", list_command="dyck-audit tokens list")
    now = database_now(session)
    session.execute(update(token).where(token.c.id == found, token.c.revoked_at.is_(None)).values(revoked_at=now))
    return _get(session, found)


def live_token(session: Connection, text: str) -> StoredToken | None:
    """The token with this secret text, unless it is revoked or has expired."""
    return _live(session, session.execute(select(token).where(token.c.hash == _hash(text))).one_or_none())


def live_token_by_id(session: Connection, token_id: str) -> StoredToken | None:
    """The token of this id, unless it is gone, revoked or has expired."""
    return _live(session, session.execute(select(token).where(token.c.id == token_id)).one_or_none())


def is_use_worth_noting(found: StoredToken, now: datetime) -> bool:
    """Whether the last noted use is so long ago that :func:`note_use` should be called."""
    return found.used_at is None or now - found.used_at > USE_IS_NOTED_AFTER


def note_use(session: Connection, token_id: str) -> None:
    """Remember that a token was used now."""
    session.execute(update(token).where(token.c.id == token_id).values(used_at=database_now(session)))


def _get(session: Connection, token_id: str) -> StoredToken:
    return _record(session.execute(select(token).where(token.c.id == token_id)).one())


def _live(session: Connection, row: Row[Any] | None) -> StoredToken | None:
    if row is None:
        return None
    found = _record(row)
    return found if found.is_live(database_now(session)) else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _record(row: Row[Any]) -> StoredToken:
    return StoredToken(
        id=row.id,
        scope=Scope(row.scope),
        name=row.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
    )
