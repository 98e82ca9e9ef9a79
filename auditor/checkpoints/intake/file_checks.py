"""Opening an untrusted file: a plain file, of bounded size, read once."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from auditor.errors import AuditorError, CheckpointError, UnsafeFileError

MAX_CHECKPOINT_BYTES = 512 * 2**20
"""Dyck models take kilobytes to megabytes; old GPT-2 checkpoints add 36 MB of mask per layer."""

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _no_look(_file: BinaryIO, _size: int) -> None:
    """Nothing is checked before the whole file is read."""


def read_plain_file(
    path: Path,
    *,
    limit: int,
    missing: type[AuditorError] = CheckpointError,
    holds: str = "a checkpoint",
    look: Callable[[BinaryIO, int], None] = _no_look,
) -> bytes:
    """All bytes of a plain file. ``holds`` is what it should contain, for messages.

    ``look`` gets the open file and its size, and may refuse it before all of it is in memory. The kind is checked on
    the open descriptor, which was opened without following a link or waiting for a writer.

    Raises:
        UnsafeFileError: a link, directory, pipe, socket or device, an empty file, or one over ``limit`` bytes.
        CheckpointError, or ``missing``: no such file, or no permission to read it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as refused:
        raise _refusal(path, refused, missing) from None
    try:
        status = os.fstat(descriptor)
        _require_plain(path, status.st_mode)
        if status.st_size > limit:
            raise UnsafeFileError(f"{path.name}: {status.st_size:,} bytes", expected=f"at most {limit:,}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            if status.st_size:
                look(file, status.st_size)
                file.seek(0)
            data = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if not data:
        raise UnsafeFileError(f"{path.name}: an empty file", expected=holds, action="copy it again")
    if len(data) > limit:
        raise UnsafeFileError(f"{path.name}: more than {limit:,} bytes", expected=f"at most {limit:,}")
    return data


def _require_plain(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "not a plain file")
        raise UnsafeFileError(f"{path.name}: {kind}", expected="a plain file", action="name the file itself")


def _refusal(path: Path, refused: OSError | ValueError, missing: type[AuditorError]) -> AuditorError:
    number = refused.errno if isinstance(refused, OSError) else None
    if number in (errno.ELOOP, errno.ENXIO):
        kind = "a symbolic link" if number == errno.ELOOP else "a socket or device"
        return UnsafeFileError(f"{path.name}: {kind}", expected="a plain file", action="name the file itself")
    if number == errno.ENOENT:
        return missing(f"no file {str(path)!a}", expected="an existing file", action="check the path")
    if number in (errno.EACCES, errno.EPERM):
        return missing(f"{path.name}: no permission to read it", action="change its permissions")
    reason = refused.strerror if isinstance(refused, OSError) else str(refused)
    return missing(f"{path.name!a}: {reason}", expected="a readable file", action="check the path")
