"""Checks of this machine: versions, plug-ins, folders, and the child process that reads pickles."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cli.diagnosis.check import Check, attempt

OLDEST_PYTHON = (3, 11)
IMPORTED = ("torch", "captum", "celery", "redis", "sqlalchemy", "alembic", "safetensors")
"""Libraries that must not only be there but load."""

LEAST_FREE_BYTES = 500_000_000
"""A full audit of a bundled model stores some ten megabytes; a batch some hundreds."""


def machine(home: Path) -> Iterator[Check]:
    """Every check that needs no server."""
    yield Check("dyck-audit", True, version("dyck-audit"))
    found = sys.version_info >= OLDEST_PYTHON
    yield Check("python", found, platform.python_version(), "" if found else "install Python 3.11 or newer")
    for name in IMPORTED:
        yield _library(name)
    yield _plugins()
    yield _home(home)
    yield _permissions(home)
    yield _temporary()
    yield attempt("reading pickles", _isolation)


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
    return _space("home", existing, shown=home, action="free some disk space, or choose another with --home DIR")


def _permissions(home: Path) -> Check:
    if not home.is_dir():
        return Check("home's permissions", True, "it does not exist yet; it is made for its owner only")
    mode = stat.S_IMODE(home.stat().st_mode)
    others = mode & 0o077
    action = f"chmod 700 {home}" if others else ""
    found = f"{mode:04o}, " + ("others may read models and audits" if others else "its owner's only")
    return Check("home's permissions", True, found, action)


def _temporary() -> Check:
    try:
        folder = Path(tempfile.gettempdir())
    except OSError as error:
        return Check("temporary folder", False, str(error), "set TMPDIR to a folder that can be written")
    return _space("temporary folder", folder, shown=folder, action="free some disk space, or set TMPDIR")


def _space(what: str, folder: Path, *, shown: Path, action: str) -> Check:
    free = shutil.disk_usage(folder).free
    enough = free >= LEAST_FREE_BYTES
    return Check(what, enough, f"{shown}, {free / 1e9:.1f} GB free", "" if enough else action)


def _isolation() -> Check:
    from auditor.checkpoints.intake.sandbox import barriers

    standing = barriers()
    if standing:
        return Check("reading pickles", True, f"in a child without network: {' and '.join(standing)}")
    return Check(
        "reading pickles",
        True,
        "in a child with limits; this system allows neither a network namespace nor a filter of system calls",
        "convert pickled checkpoints that you do not trust to safetensors elsewhere",
    )
