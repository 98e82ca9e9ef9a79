"""A folder of files with their SHA-256 beside them: what is written once, and read back only as it was written.

``SHA256SUMS`` has the form of ``sha256sum``, so that the files can be compared without this program.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.checkpoints.intake.file_checks import read_plain_file
from auditor.errors import AuditorError, WitnessError
from auditor.records import Json

SUMS_FILE = "SHA256SUMS"
LARGEST_FILE = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked, and what was seen."""

    name: str
    passed: bool
    detail: str


def write_sealed(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Write files and their sums into a new or empty folder and return the folder.

    Raises:
        WitnessError: the folder cannot be written.
    """
    try:
        directory.mkdir(exist_ok=True)
        for name, data in files.items():
            (directory / name).write_bytes(data)
        (directory / SUMS_FILE).write_text(_sums(files), encoding="ascii")
    except OSError as failed:
        raise WitnessError(f"cannot write {directory}: {failed.strerror}", action="choose another folder") from None
    return directory


def read_sealed(directory: Path, names: Sequence[str]) -> Mapping[str, bytes]:
    """The named files, after each was compared with its sum.

    Raises:
        WitnessError: no such folder, or a file that is missing or not what was written, by name.
    """
    if not directory.is_dir():
        raise WitnessError(f"no folder {directory}", expected="what `dyck-audit witness` or `dyck-audit twin` wrote")
    files = {name: _read(directory, name) for name in names}
    recorded = _read(directory, SUMS_FILE).decode("ascii", errors="replace")
    if recorded == _sums(files):
        return files
    for line in _sums(files).splitlines():
        if line not in recorded.splitlines():
            name = line.split("  ", 1)[1]
            raise WitnessError(
                f"{directory / name} is not the file that was exported: its SHA-256 is not the one in {SUMS_FILE}",
                action="export it again",
            )
    raise WitnessError(f"{directory / SUMS_FILE} has been changed", action="export it again")


def facts_bytes(facts: Mapping[str, Json]) -> bytes:
    """JSON for people and programs; NaN and infinity are refused."""
    return (json.dumps(facts, indent=2, allow_nan=False) + "\n").encode()


def read_facts(data: bytes, name: str, schema: str) -> Mapping[str, Json]:
    """Inverse of :func:`facts_bytes`.

    Raises:
        WitnessError: not JSON, or of another schema; ``name`` is the file's.
    """
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as wrong:
        raise WitnessError(f"{name} is not JSON: {wrong}") from None
    if not isinstance(facts, dict) or facts.get("schema") != schema:
        raise WitnessError(f"{name} of another schema", expected=schema, action="verify with the version that wrote it")
    return facts


def _read(directory: Path, name: str) -> bytes:
    try:
        return read_plain_file(directory / name, limit=LARGEST_FILE, missing=WitnessError)
    except AuditorError as refused:
        raise WitnessError(refused.found, expected=refused.expected, action="export it again") from None


def _sums(files: Mapping[str, bytes]) -> str:
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
