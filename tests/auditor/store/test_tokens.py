"""Tokens: what is stored, which scope allows what, and when one ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from auditor.errors import NotFoundError, StoreError
from auditor.store.clock import database_now
from auditor.store.schema import token
from auditor.store.session import Database
from auditor.store.tokens import (
    Scope,
    count_live_tokens,
    create_token,
    list_tokens,
    live_token,
    live_token_by_id,
    note_use,
    revoke_token,
)
from auditor.urls import has_token, without_passwords


def test_the_token_itself_is_nowhere_in_the_database(database: Database) -> None:
    with database.transaction() as session:
        made, secret = create_token(session, Scope.SUBMIT, name="laptop")
        row = session.execute(select(token)).one()
        assert live_token(session, secret) == made
        assert live_token(session, secret[:-1]) is None
        assert live_token_by_id(session, made.id) == made
    assert all(secret not in str(value) for value in row)
    assert has_token(f"GET /?t={secret}")
    assert secret not in without_passwords(f"seen {secret}, twice: {secret.upper()}").lower()


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [(Scope.READ, {"read"}), (Scope.SUBMIT, {"read", "submit"}), (Scope.ADMIN, {"read", "submit", "admin"})],
)
def test_each_scope_allows_those_before_it(scope: Scope, allowed: set[str]) -> None:
    assert {str(wanted) for wanted in Scope if scope.allows(wanted)} == allowed


def test_a_revoked_token_opens_nothing(database: Database) -> None:
    with database.transaction() as session:
        first, secret = create_token(session, Scope.READ)
        second, _ = create_token(session, Scope.READ)
        assert count_live_tokens(session) == 2
        revoked = revoke_token(session, first.id)
        assert revoke_token(session, first.id) == revoked
        assert live_token(session, secret) is None
        assert count_live_tokens(session) == 1
        assert {one.id for one in list_tokens(session)} == {first.id, second.id}
        with pytest.raises(NotFoundError, match="tokens list"):
            revoke_token(session, "kzzz")


def test_a_token_ends_at_its_time(database: Database) -> None:
    with database.transaction() as session:
        now = database_now(session)
        made, secret = create_token(session, Scope.READ, expires_at=now + timedelta(hours=1))
        assert live_token(session, secret) == made
        assert made.expires_at is not None
        assert not made.is_live(made.expires_at)
        session.execute(token.update().values(expires_at=now - timedelta(seconds=1)))
        assert live_token(session, secret) is None
        assert count_live_tokens(session) == 0
        with pytest.raises(StoreError, match="future"):
            create_token(session, Scope.READ, expires_at=now - timedelta(days=1))


def test_the_last_use_is_noted(database: Database) -> None:
    with database.transaction() as session:
        made, secret = create_token(session, Scope.READ)
        assert made.used_at is None
        note_use(session, made.id)
        used = live_token(session, secret)
    assert used is not None
    assert used.used_at is not None
