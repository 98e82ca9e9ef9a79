"""Checks of output paths before any work, so that a mistyped path is an error and not a new folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditor.errors import AuditorError

NATIVE = ".safetensors"


def require_folder(path: Path, kind: type[AuditorError]) -> None:
    """Refuse a file or folder to be written where there is no folder to write it in.

    Raises:
        kind: the folder is missing or cannot be written.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise kind(
            f"there is no folder {folder} for {path.name}",
            expected="an existing folder",
            action="check the path, or make the folder first",
        )
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise kind(
            f"no file can be written in {folder}: {error.strerror}",
            expected="a writable folder",
            action="choose another",
        ) from error


def require_file(path: Path) -> None:
    """Refuse a report that cannot be written as this file. A device or a pipe is written as it is.

    Raises:
        ReportError: the path is a folder, or its folder cannot be written.
    """
    from auditor.errors import ReportError

    if path.is_dir():
        raise ReportError(f"{path} is a folder", expected="the name of a file", action="choose another")
    if not path.exists() or path.is_file():
        require_folder(path, ReportError)


def require_free(file: Path, *, force: bool) -> None:
    """Refuse a native file that cannot be written.

    Raises:
        CheckpointError: another ending, a folder that is missing or takes no file, or the file or its description is
            there and ``force`` is not given.
    """
    from auditor.errors import CheckpointError

    if file.suffix != NATIVE:
        raise CheckpointError(f"{file}: ending {file.suffix!r}", expected=f"a file that ends with {NATIVE}")
    for taken in (file, file.with_suffix(".json")):
        if taken.is_dir() or (taken.exists() and not force):
            raise CheckpointError(f"{taken} exists", expected="a new file", action="choose another or add --force")
    require_folder(file, CheckpointError)


def require_empty(directory: Path) -> None:
    """Refuse a folder to be filled that is not empty, or whose own folder is missing.

    Raises:
        WitnessError: something is in it, it is no folder, or there is no folder to make it in.
    """
    from auditor.errors import WitnessError

    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise WitnessError(f"{directory} is not empty", expected="a new or empty folder", action="choose another --out")
    require_folder(directory, WitnessError)
