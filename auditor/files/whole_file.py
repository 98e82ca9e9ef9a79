"""Writing a file that appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def write_whole(path: Path, data: bytes) -> None:
    """Write beside the file, then put it in its place; a device or a pipe is written as it is.

    Raises:
        OSError: it cannot be written, with its name; what was there is still there.
    """
    with writing_whole(path) as file:
        file.write(data)


@contextmanager
def writing_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to be filled in the block; as :func:`write_whole`, also where the block raises.

    Raises:
        OSError: it cannot be written, with its name; what was there is still there.
    """
    is_special = path.exists() and not path.is_file()
    try:
        with path.open("wb") if is_special else _replacing(path) as file:
            yield file
    except OSError as error:
        if error.errno is None:  # not of a file, but of what the block reads from
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".dyck-audit.", delete=False) as file:
        temporary = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
