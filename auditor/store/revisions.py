"""The schema's revisions: Alembic without a command of its own and without an ini file.

The scripts are the folder ``migrations`` beside the package ``auditor``, in a checkout and in a wheel alike, whatever
the working directory. A script's file name is its revision and begins with its date, so the newest name is the head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, inspect, text

from auditor.errors import RevisionError, StoreError
from auditor.store.engine import make_engine, parse_url, plain_errors, sqlite_file
from auditor.store.schema import metadata

if TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS = Path(__file__).resolve().parents[2] / "migrations"

VERSION_TABLE = "alembic_version"

_LOCK = 0x4479636B  # one number for all of this package's migrations: PostgreSQL's advisory lock


def head() -> str:
    """The revision this version of the package works with."""
    return max(_known())


def _known() -> frozenset[str]:
    return frozenset(path.stem for path in (SCRIPTS / "versions").glob("[0-9]*.py"))


def bring_up(url: str) -> str | None:
    """Upgrade a SQLite file that an earlier version of this package made; the revision it was at, None if untouched.

    A file that is missing, empty, newer or of another program is left as it is; opening it raises the error.
    """
    file = sqlite_file(parse_url(url))
    if file is None or not file.is_file():
        return None
    found = current(url)
    if found is None or found not in _known() or found >= head():
        return None
    upgrade(url)
    return found


def read_revision(connection: Connection) -> str | None:
    """The revision the database is at; None where it was never migrated."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()  # noqa: S608 - a constant
    return found


def current(url: str) -> str | None:
    """The revision of the database at ``url``; None where it was never migrated."""
    with _connection(parse_url(url)) as connection:
        return read_revision(connection)


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database up to a revision, in one transaction; two processes that try at once take turns."""
    from alembic import command

    _migrate(url, revision, command.upgrade)


def downgrade(url: str, revision: str) -> None:
    """Take the database back to a revision, "base" for none at all. What later revisions added is lost."""
    from alembic import command

    _migrate(url, revision, command.downgrade)


def check(url: str) -> tuple[str, ...]:
    """How the tables of the database differ from those in ``schema``, one line each; empty when they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with _connection(parse_url(url)) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return tuple(str(difference) for difference in compare_metadata(context, metadata))


def _migrate(url: str, revision: str, move: Callable[[Config, str], Any]) -> None:
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    try:
        with _connection(parse_url(url)) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
            _require_known(read_revision(connection))
            config.attributes["connection"] = connection
            move(config, revision)
            _check_references(connection)
    except CommandError as error:
        raise RevisionError(
            f"revision {revision!r} cannot be reached: {error}",
            expected="head, base, or a revision listed by `dyck-audit db current`",
        ) from error


def _require_known(found: str | None) -> None:
    if found is not None and found not in _known():
        raise RevisionError(
            f"the database is at revision {found}, which this version does not know",
            expected=f"at most {head()}",
            action="install the dyck-audit that wrote it, or choose another database",
        )


def _check_references(connection: Connection) -> None:
    """SQLite enforces no foreign key while a migration rebuilds tables, so look afterwards, before the commit."""
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        raise StoreError(
            f"{len(broken)} rows of table {broken[0][0]} would refer to rows that do not exist",
            expected="a migration that keeps references",
            action="nothing was changed; report this migration",
        )


@contextmanager
def _connection(url: URL) -> Iterator[Connection]:
    engine = make_engine(url, foreign_keys=False)
    try:
        with plain_errors(url), engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
