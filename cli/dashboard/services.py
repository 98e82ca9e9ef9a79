"""What the routes are given: the settings, the database, and a transaction for the length of one request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from auditor.settings import Settings
from auditor.store.session import Database, Session


@dataclass(frozen=True)
class Services:
    """One server's own; made before the application."""

    settings: Settings
    database: Database


def services_of(request: Request) -> Services:
    """The services of the application that a request came to."""
    found: Services = request.app.state.services
    return found


def _database(request: Request) -> Database:
    return services_of(request).database


def _reading(request: Request) -> Iterator[Session]:
    with services_of(request).database.transaction(read_only=True) as session:
        yield session


Store = Annotated[Database, Depends(_database)]
"""The database, for routes that write: open a transaction, leave it, then send."""

Reading = Annotated[Session, Depends(_reading, scope="function")]
"""A transaction that only reads; it ends before the response is sent, so that a slow client holds nothing."""
