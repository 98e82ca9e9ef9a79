"""The database as a value: open it, run transactions on it, close it.

    database = open_database(url)
    with database.transaction() as session:
        audit = audits.get_audit(session, audit_id)

Every function of this package that takes a ``session`` runs inside such a transaction and returns frozen records.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect

from auditor.errors import RevisionError, StoreError
from auditor.files.private_folder import make_private
from auditor.store import revisions
from auditor.store.engine import READ_ONLY, displayed, make_engine, parse_url, plain_errors, sqlite_file

Session = Connection
"""What a transaction yields. A Core connection: no identity map, so a row read twice is read twice."""


class Database:
    """One SQLite file or one PostgreSQL database. Connects at the first transaction, not before."""

    def __init__(self, url: str) -> None:
        """Raises StoreError for a URL that cannot be one of ours."""
        self._url = parse_url(url)
        self._engine = make_engine(self._url)

    @property
    def url(self) -> str:
        """The URL for display: the password is hidden."""
        return displayed(self._url)

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Session]:
        """Commit at the end of the block, roll back when it raises.

        Keep the block short and compute outside it: on SQLite it holds the only write lock unless ``read_only``.

        Raises:
            StoreError: the database is unreachable, locked for too long, full or damaged.
        """
        with plain_errors(self._url), self._engine.connect() as connection:
            if read_only:
                connection = connection.execution_options(**READ_ONLY)  # noqa: PLW2901 - the same connection
            with connection.begin():
                yield connection

    def dispose(self, close: bool = True) -> None:
        """Give the connections back. ``close=False`` in a forked child, where they belong to the parent."""
        self._engine.dispose(close=close)

    def is_empty(self) -> bool:
        """Whether the database holds no table at all."""
        with self.transaction(read_only=True) as session:
            return not inspect(session).get_table_names()

    def check_revision(self) -> None:
        """Refuse a database whose tables are not those of this version.

        Raises:
            RevisionError: it is older, newer, or holds tables of another program.
        """
        with self.transaction(read_only=True) as session:
            found = revisions.read_revision(session)
        expected = revisions.head()
        if found == expected:
            return
        if found is not None and found > expected:
            action = "it was written by a newer dyck-audit: install that version"
        else:
            action = "type `dyck-audit db upgrade`"
        raise RevisionError(
            f"the database {self.url} is at revision {found or 'none'}", expected=f"revision {expected}", action=action
        )


def open_database(url: str, *, create: bool = True, make_folder: bool = False) -> Database:
    """The database at ``url``, ready for use; a new or empty one gets its tables first when ``create``.

    A SQLite file is made where its folder is; the folder too only when ``make_folder``.

    Raises:
        StoreError: no such SQLite file and not ``create``, or no such folder; unreachable; a URL of another kind.
        RevisionError: tables of another version.
    """
    database = Database(url)
    file = sqlite_file(parse_url(url))
    if file is not None and not file.exists():
        if not create:
            require_database(url)
        prepare_folder(file.absolute().parent, make=make_folder)
    with ExitStack() as when_refused:
        when_refused.callback(database.dispose)
        if create and database.is_empty():
            revisions.upgrade(url)
        database.check_revision()
        when_refused.pop_all()
    return database


def require_database(url: str) -> None:
    """Raise StoreError for a SQLite file that is not there."""
    file = sqlite_file(parse_url(url))
    if file is not None and not file.exists():
        raise StoreError(
            f"there is no database at {file}",
            expected="an existing file",
            action="check the path, or type `dyck-audit db upgrade` to make it",
        )


def prepare_folder(folder: Path, *, make: bool) -> None:
    """Make the folder of a new SQLite file, or refuse one that is not there: its path is probably mistyped.

    Raises:
        StoreError: it is missing and not to be made, or cannot be made.
    """
    if not make and not folder.is_dir():
        raise StoreError(
            f"there is no folder {folder} for the database",
            expected="an existing folder",
            action="check the path, or make the folder first",
        )
    try:
        make_private(folder)
    except OSError as error:
        raise StoreError(
            f"the folder {folder} cannot be made: {error.strerror}", action="choose another with `--home DIR`"
        ) from error
