"""The one clock that leases and times are read from."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, text


def database_now(session: Connection) -> datetime:
    """The database server's time, so that workers on hosts with different clocks agree on who holds a lease.

    PostgreSQL: ``clock_timestamp()``, which moves on while a transaction waits for a lock, unlike ``now()``. SQLite has
    no server: every process that opens the file is on one host and reads that host's clock.
    """
    if session.dialect.name == "sqlite":
        return datetime.now(UTC)
    moment: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment.astimezone(UTC)
