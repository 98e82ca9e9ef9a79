"""Environment → one frozen ``Settings``, read once at the doors (command line, worker)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

HOME_VARIABLE = "DYCK_AUDIT_HOME"
DATABASE_VARIABLE = "DYCK_AUDIT_DATABASE_URL"
BROKER_VARIABLE = "DYCK_AUDIT_BROKER_URL"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where this process keeps its data and finds its servers."""

    home: Path
    database_url: str
    broker_url: str | None  # None: local worker processes on an embedded broker

    @property
    def own_database(self) -> bool:
        """Whether the database is the default file in the home, which the user did not name."""
        return self.database_url == _own_url(self.home)

    @property
    def database_in_home(self) -> bool:
        """Whether the database is a file in the home, so that making it may make the home."""
        return Path(self.database_url.removeprefix("sqlite:///")).parent == self.home

    def environment(self) -> dict[str, str]:
        """The variables that give a child process the same settings."""
        values = {HOME_VARIABLE: str(self.home), DATABASE_VARIABLE: self.database_url}
        if self.broker_url is not None:
            values[BROKER_VARIABLE] = self.broker_url
        return values


def read_settings(
    environment: Mapping[str, str] | None = None,
    *,
    home: Path | None = None,
    database_url: str | None = None,
    broker_url: str | None = None,
) -> Settings:
    """Settings from explicit values first, then the environment, then the platform's data folder.

    ``postgresql://`` and ``postgres://`` URLs are read as psycopg 3 URLs.
    """
    values = os.environ if environment is None else environment
    folder = home or Path(values.get(HOME_VARIABLE) or platformdirs.user_data_dir("dyck-audit"))
    folder = folder.expanduser().absolute()
    url = database_url or values.get(DATABASE_VARIABLE) or _own_url(folder)
    return Settings(
        home=folder,
        database_url=_with_driver(url),
        broker_url=broker_url or values.get(BROKER_VARIABLE) or None,
    )


def _own_url(home: Path) -> str:
    return f"sqlite:///{home / 'dyck-audit.sqlite3'}"


def _with_driver(url: str) -> str:
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url[len(prefix) :]
    return url
