"""What every command is given: the settings, an output, and the database when it asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli.output import Output

if TYPE_CHECKING:
    from auditor.settings import Settings
    from auditor.store.session import Database, Session


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of the command line. Nothing is read or opened before it is asked for."""

    home: Path | None = None
    database_url: str | None = None
    broker_url: str | None = None
    output: Output = field(default_factory=Output)

    @property
    def settings(self) -> Settings:
        """Options first, then the environment, then the platform's data folder."""
        from auditor.settings import read_settings

        return read_settings(home=self.home, database_url=self.database_url, broker_url=self.broker_url)

    @contextmanager
    def database(self, *, create: bool = False) -> Iterator[Database]:
        """The open database. The one in the home is made where it is missing; one that was named only to ``create``.

        An older one in the home gets the tables it lacks.
        """
        from auditor.store.revisions import bring_up
        from auditor.store.session import open_database

        settings = self.settings
        if settings.own_database and (older := bring_up(settings.database_url)):
            self.output.note(f"the database in {settings.home} was at revision {older} and is now up to date")
        may_make = create or settings.own_database or not settings.database_url.startswith("sqlite")
        database = open_database(settings.database_url, create=may_make, make_folder=settings.database_in_home)
        try:
            yield database
        finally:
            database.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One transaction that only reads."""
        with self.database() as database, database.transaction(read_only=True) as session:
            yield session


def invocation(context: typer.Context) -> Invocation:
    """What the root command prepared."""
    found: Invocation = context.find_root().obj
    return found
