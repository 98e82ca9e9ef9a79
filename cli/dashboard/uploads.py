"""A folder in the home for what is being uploaded. Whatever happens, nothing of an upload outlives its request.

Each server locks a folder of its own, so that the next one can tell those of servers that were killed.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fastapi import Request

from auditor.errors import StoreError
from cli.dashboard.multipart import Form, FormReader, read_form
from cli.dashboard.refusal import Refusal

AT_ONCE: Final = 3
"""Uploads that may arrive at the same time."""

SECONDS: Final = 1_800
"""Longest time in which one may arrive."""

_LOCK: Final = ".lock"
_BUSY: Final = {"Retry-After": "10"}


@dataclass
class Uploads:
    """What arrives at this server now."""

    folder: Path
    _arriving: set[Path] = field(default_factory=set)

    @contextmanager
    def place(self) -> Iterator[Path]:
        """An empty folder for one upload, removed at the end.

        Raises:
            Refusal: too many others arrive at this moment.
        """
        if len(self._arriving) >= AT_ONCE:
            raise Refusal(503, "too many uploads at this moment", do="try again in a few seconds", headers=_BUSY)
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as name:
            place = Path(name)
            self._arriving.add(place)
            try:
                yield place
            finally:
                self._arriving.discard(place)


async def arrived(request: Request, place: Path, *, texts: tuple[str, ...], files: tuple[str, ...]) -> Form:
    """The multipart form of a request, with its files in the folder.

    Raises:
        Refusal: it is no such form, or takes too long.
    """
    reader = FormReader(request.headers.get("content-type", ""), place, texts=texts, files=files)
    try:
        async with asyncio.timeout(SECONDS):
            return await read_form(request.stream(), reader)
    except TimeoutError:
        raise Refusal(408, f"an upload that takes over {SECONDS:,} s") from None


@contextmanager
def upload_folder(home: Path) -> Iterator[Uploads]:
    """A folder of this server's own in the home, without those that killed servers have left.

    Raises:
        StoreError: no folder can be made there.
    """
    parent = home / "uploads"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _clear(parent)
        folder = Path(tempfile.mkdtemp(dir=parent))
    except OSError as error:
        raise StoreError(f"no folder can be made in {parent}: {error.strerror}", action="choose another --home") from (
            error
        )
    try:
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Uploads(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            parent.rmdir()  # where no other server runs


def _clear(parent: Path) -> None:
    for folder in parent.iterdir():
        if _is_left(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Whether no server holds the lock of a folder. One without a lock file is just being made, or of no server."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
