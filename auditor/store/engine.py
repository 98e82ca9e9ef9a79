"""From a database URL to an engine that behaves alike on SQLite and PostgreSQL, and whose errors are one line."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from auditor.errors import StoreError
from auditor.urls import ENCODE, hide_password, raw_password

BUSY_SECONDS = 30
"""How long a SQLite writer waits for another. Measured: at most 1.8 s with four writers of 20 rows a transaction."""

CONNECT_SECONDS = 10
"""How long a PostgreSQL server may take to answer a new connection."""

IDLE_SECONDS = 20
"""How long a transaction that writes may rest between two statements before a PostgreSQL server ends it. Without this
a worker that is suspended there, or whose machine loses its power, would hold its locks for hours."""

_LIMIT = text("SELECT set_config('idle_in_transaction_session_timeout', :milliseconds, true)")  # true: of a transaction
_PAUSE_SECONDS = 0.02

READ_ONLY: dict[str, Any] = {"dyck_audit_read_only": True, "postgresql_readonly": True}
"""Execution options of a transaction that only reads: on SQLite it waits for no writer and holds none up."""

_EXPECTED_URL = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"


def parse_url(text: str) -> URL:
    """The URL with the driver this package uses.

    Raises:
        StoreError: not a URL, neither SQLite nor PostgreSQL, or SQLite in memory, which no second process sees.
    """
    if "@" in raw_password(text):  # SQLAlchemy ends the password at the first one
        raise StoreError(
            f'the database URL {hide_password(text)} has more than one "@"',
            expected="only the one before the host",
            action=ENCODE,
        )
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # ValueError, which quotes a piece of the URL: a port that is no number
        raise StoreError(
            f"the database URL {hide_password(text)!r} cannot be read",
            expected=_EXPECTED_URL,
            action=ENCODE if raw_password(text) else "",
        ) from None
    backend = url.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise StoreError(f"the database URL names {url.drivername}", expected=_EXPECTED_URL)
    if url.database in (None, "", ":memory:"):
        raise StoreError(
            "a SQLite database in memory cannot be shared with worker processes", expected="sqlite:///FILE"
        )
    return url.set(drivername="sqlite")


def displayed(url: URL) -> str:
    """The URL without its passwords, those among its options included."""
    return hide_password(url.render_as_string(hide_password=False))


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite URL; None for a server."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    return Path(url.database)


def make_engine(url: URL, *, foreign_keys: bool = True) -> Engine:
    """An engine with the settings that lost no transaction in measurements.

    PostgreSQL: the server ends a transaction that writes and rests for :data:`IDLE_SECONDS`.
    SQLite: write-ahead log, ``BEGIN IMMEDIATE`` (a plain BEGIN that reads and then writes fails at once beside another
    writer, whatever the timeout), synchronous NORMAL. ``foreign_keys=False`` is for migrations that rebuild a table.
    """
    if url.get_backend_name() == "postgresql":
        return _postgres_engine(url)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; _begin does
        _log_ahead(connection)
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("dyck_audit_read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _postgres_engine(url: URL) -> Engine:
    engine = create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_SECONDS})

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("dyck_audit_read_only", False):
            connection.execute(_LIMIT, {"milliseconds": f"{1000 * IDLE_SECONDS:.0f}"})

    return engine


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on, once per file. Of two processes that open a new file at the same moment one is
    refused at once: SQLite does not wait for a lock that only this switch takes (sqlite.org/wal.html, section 8)."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE_SECONDS)


@contextmanager
def plain_errors(url: URL) -> Iterator[None]:
    """Turn the driver's exceptions into one :class:`StoreError` that names the database without its password."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError, NoSuchModuleError) as error:
        cause = getattr(error, "orig", None) or error
        reason = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        raise StoreError(
            f"the database {displayed(url)} cannot be used: {reason}",
            action="check the URL and the server with `dyck-audit doctor`",
        ) from error
