"""A checkpoint with what describes it, as the parts of an upload. It is not read here: the server does, in its sandbox.

The same files go to the server that ``submit`` would open here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from auditor.checkpoints.intake.configuration import configuration_beside
from auditor.checkpoints.intake.file_checks import MAX_CHECKPOINT_BYTES
from auditor.checkpoints.intake.model_folder import CONFIGURATION, INDICES, WEIGHTS, locate
from auditor.errors import CheckpointError, LanguageError, PlanError, UnsafeFileError
from auditor.files.text_file import read_bytes, read_text, read_toml
from cli.checkpoints import bundled_name, existing

LARGEST_STRINGS = 20_000_000


@dataclass(frozen=True, slots=True)
class Upload:
    """The files of one checkpoint by their part, and the texts beside them."""

    files: tuple[tuple[str, Path], ...]
    texts: dict[str, str]

    @contextmanager
    def opened(self) -> Iterator[list[tuple[str, tuple[str, BinaryIO]]]]:
        """The files, open for sending."""
        with ExitStack() as stack:
            yield [(part, (_readable(path.name), stack.enter_context(path.open("rb")))) for part, path in self.files]


def upload_of(
    checkpoint: str,
    *,
    config: Path | None = None,
    reference: Path | None = None,
    name: str | None = None,
    format_name: str = "auto",
    entry: str | None = None,
) -> Upload:
    """What to send of a checkpoint, a folder of ``save_pretrained`` or a bundled model.

    Raises:
        CheckpointError: no such file, one that is no plain file, or too large.
    """
    from auditor import zoo

    bundled = bundled_name(checkpoint)
    path = existing(checkpoint) if bundled is None else zoo.path(bundled)
    files = _files(path)
    described = config or configuration_beside(path)
    parts = [("file", one) for one in files]
    parts += [(part, one) for part, one in (("config", described), ("reference", reference)) if one is not None]
    for _, one in parts:
        _require_plain(one)
    size = sum(one.stat().st_size for one in files)
    if size > MAX_CHECKPOINT_BYTES:
        raise UnsafeFileError(f"{path.name}: {size:,} bytes", expected=f"at most {MAX_CHECKPOINT_BYTES:,}")
    given = path.resolve().name if path.is_dir() else path.stem
    texts = {"format": format_name, "name": name or _readable(given)}
    texts |= {"entry": entry} if entry is not None else {}
    texts |= {"folder": _readable(files[0].resolve().parent.name)} if len(files) > 1 or path.is_dir() else {}
    return Upload(tuple(parts), texts)


def plan_entries(plan: str) -> dict[str, Any]:
    """How a request names a plan: by its name, or by the entries of its file.

    Raises:
        PlanError: no such file, or no TOML.
    """
    path = Path(plan)
    if path.suffix.lower() != ".toml":
        return {"plan": plan}
    text = read_text(path, PlanError, expected="the name of a plan, or a TOML file")
    return {"plan": path.stem, "settings": read_toml(text, path.name, PlanError, expected="a TOML file")}


def strings_entries(path: Path | None, format_name: str) -> dict[str, Any]:
    """How a request carries a file of strings.

    Raises:
        LanguageError: no such file, or too large.
    """
    if path is None:
        return {}
    data = read_bytes(path, LanguageError, expected="a file of strings", limit=LARGEST_STRINGS)
    content = base64.b64encode(data).decode()
    return {"strings": {"name": _readable(path.name), "format": format_name, "content": content}}


def _files(path: Path) -> list[Path]:
    """The files that reading the path here would open."""
    located = locate(path)
    weights = [*located.shards, located.weights] if located.shards else [located.weights]
    beside = located.weights.with_name(CONFIGURATION)
    is_of_folder = path.is_dir() or path.name in (*WEIGHTS, *INDICES)
    return [*weights, *([beside] if is_of_folder and beside.exists() else [])]


def _require_plain(path: Path) -> None:
    if path.is_symlink() or not path.is_file():
        if path.exists() or path.is_symlink():
            raise UnsafeFileError(
                f"{path.name}: not a plain file", expected="a plain file", action="name the file itself"
            )
        raise CheckpointError(f"no file {str(path)!a}", expected="an existing file", action="check the path")


def _readable(name: str) -> str:
    """A file's name as text; a question mark for each byte that is not UTF-8."""
    return name.encode("utf-8", "replace").decode()
