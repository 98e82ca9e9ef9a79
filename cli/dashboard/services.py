"""What the routes are given: the settings, the database, and a transaction for the length of one request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from auditor.settings import Settings
from auditor.store.session import Database, Session
from auditor.urls import secrets_of, without_passwords
from cli.dashboard.computing import Computing
from cli.dashboard.kept_reports import KeptReports
from cli.dashboard.model_process import ModelProcess
from cli.dashboard.origins import Names
from cli.dashboard.sessions import Failures, Sessions
from cli.dashboard.uploads import Uploads


@dataclass(frozen=True)
class Services:
    """One server's own; made before the application."""

    settings: Settings
    database: Database
    models: ModelProcess
    uploads: Uploads
    computing: Computing
    names: Names = field(default_factory=lambda: Names(loopback=True))
    requires_token: bool = False
    sessions: Sessions = field(default_factory=Sessions)
    failures: Failures = field(default_factory=Failures)
    reports: KeptReports = field(default_factory=KeptReports)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no answer and no log may show."""
        return secrets_of(self.settings.database_url) + secrets_of(self.settings.broker_url or "")

    def hidden(self, text: str) -> str:
        """A text without these secrets."""
        return without_passwords(text, self.secrets)


def services_of(request: Request) -> Services:
    """The services of the application that a request came to."""
    found: Services = request.app.state.services
    return found


def _services(request: Request) -> Services:
    return services_of(request)


def _database(request: Request) -> Database:
    return services_of(request).database


def _reading(request: Request) -> Iterator[Session]:
    with services_of(request).database.transaction(read_only=True) as session:
        yield session


Own = Annotated[Services, Depends(_services)]
"""All services."""

Store = Annotated[Database, Depends(_database)]
"""The database, for routes that write: open a transaction, leave it, then send."""

Reading = Annotated[Session, Depends(_reading, scope="function")]
"""A transaction that only reads; it ends before the response is sent, so that a slow client holds nothing."""
