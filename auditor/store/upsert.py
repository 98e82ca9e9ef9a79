"""``INSERT … ON CONFLICT``, which SQLite and PostgreSQL write alike but SQLAlchemy spells per dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_or_replace(session: Connection, table: Table[Any], row: Mapping[str, Any]) -> None:
    """Write one row; where its primary key exists, the other columns take the new values."""
    statement = _insert(session, table).values(dict(row))
    keys = [column.name for column in table.primary_key]
    fresh = {name: statement.excluded[name] for name in row if name not in keys}
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_=fresh))


def insert_if_missing(session: Connection, table: Table[Any], row: Mapping[str, Any], *, unique: Sequence[str]) -> None:
    """Write one row unless one with the same ``unique`` columns exists."""
    statement = _insert(session, table).values(dict(row)).on_conflict_do_nothing(index_elements=list(unique))
    session.execute(statement)


def _insert(session: Connection, table: Table[Any]) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if session.dialect.name == "sqlite" else postgresql.insert(table)
