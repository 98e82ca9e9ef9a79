"""The one clock that leases and times are read from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, text

LONGEST_LEASE_SECONDS: Final = 60.0
"""No lease is given for longer, so what lies much further ahead was written before the clock was set back."""

AHEAD_SECONDS: Final = 2 * LONGEST_LEASE_SECONDS
"""How far: one transaction may have read the time before it waited for a lock and another given the longest lease."""


def database_now(session: Connection) -> datetime:
    """The database server's time, so that workers on hosts with different clocks agree on who holds a lease.

    PostgreSQL: ``clock_timestamp()``, which moves on while a transaction waits for a lock, unlike ``now()``. SQLite has
    no server: every process that opens the file is on one host and reads that host's clock.
    """
    if session.dialect.name == "sqlite":
        return datetime.now(UTC)
    moment: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment.astimezone(UTC)


def lease_end(now: datetime, seconds: float) -> datetime:
    """When a lease of so many seconds ends that is given now; :data:`LONGEST_LEASE_SECONDS` at most."""
    return now + timedelta(seconds=min(seconds, LONGEST_LEASE_SECONDS))


def is_ahead(column: ColumnElement[Any], now: datetime) -> ColumnElement[bool]:
    """Whether a time lies further ahead than any that was written by the clock of now: it was set back since.

    Without this, a lease that was given just before the clock is set back by an hour would hold for that hour.
    """
    return column > now + timedelta(seconds=AHEAD_SECONDS)
