"""What a user names as a checkpoint: a file, or a bundled model by its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.output import Output

if TYPE_CHECKING:
    from auditor.checkpoints.intake.detection import Loaded

PREFIX = "zoo:"


def bundled_name(text: str) -> str | None:
    """The bundled model that the text names. A file of that name is the file; ``zoo:NAME`` is never a file."""
    from auditor import zoo

    if text.startswith(PREFIX):
        return text.removeprefix(PREFIX)
    return text if text in zoo.names() and not Path(text).exists() else None


def compare(loaded: Loaded, reference: Path | None) -> dict[str, Any] | None:
    """How closely the model follows its source's own numbers, as JSON; None without a reference.

    Raises:
        CheckpointError: it does not; the first position that differs is named.
    """
    if reference is None:
        return None
    from dataclasses import asdict

    from auditor.checkpoints.intake.parity import check_parity
    from auditor.checkpoints.intake.reference import read_reference

    return asdict(check_parity(loaded.model, read_reference(reference), precision=loaded.precision))


def read_checkpoint(
    text: str,
    output: Output | None = None,
    *,
    config: Path | None = None,
    format_name: str = "auto",
    entry: str | None = None,
) -> Loaded:
    """The model behind the text, read without running anything from the file; what was not read becomes notes.

    Raises:
        CheckpointError: no such file, or one that cannot be used.
        NotFoundError: no such bundled model.
    """
    from auditor import zoo
    from auditor.checkpoints.intake.detection import load

    name = bundled_name(text)
    if name is not None:
        return load(zoo.path(name))
    loaded = load(existing(text), config=config, format=format_name, entry=entry)
    if output is not None:
        for note in loaded.notes:
            output.note(f"{loaded.name}: {note}")
    return loaded


def existing(text: str) -> Path:
    """The file or folder that the text names.

    Raises:
        CheckpointError: there is none.
    """
    from auditor.errors import CheckpointError

    path = Path(text).expanduser()
    if not path.exists() and not path.is_symlink():
        raise CheckpointError(
            f"no file and no bundled model {text!r}",
            expected="a checkpoint",
            action="check the path; `dyck-audit models zoo` lists the bundled ones",
        )
    return path
