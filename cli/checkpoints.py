"""What a user names as a checkpoint: a file, or a bundled model by its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditor.intake.detection import Loaded

PREFIX = "zoo:"


def bundled_name(text: str) -> str | None:
    """The bundled model that the text names. A file of that name is the file; ``zoo:NAME`` is never a file."""
    from auditor import zoo

    if text.startswith(PREFIX):
        return text.removeprefix(PREFIX)
    return text if text in zoo.names() and not Path(text).exists() else None


def read_checkpoint(text: str, *, config: Path | None = None, format_name: str = "auto") -> Loaded:
    """The model behind the text, read without running anything from the file.

    Raises:
        CheckpointError: no such file, or one that cannot be used.
        NotFoundError: no such bundled model.
    """
    from auditor import zoo
    from auditor.errors import CheckpointError
    from auditor.intake.detection import load

    name = bundled_name(text)
    if name is not None:
        return load(zoo.path(name))
    path = Path(text).expanduser()
    if not path.exists() and not path.is_symlink():
        raise CheckpointError(
            f"no file and no bundled model {text!r}",
            expected="a checkpoint",
            action="check the path; `dyck-audit models zoo` lists the bundled ones",
        )
    return load(path, config=config, format=format_name)
