"""A checkpoint that is a folder, as Hugging Face's ``save_pretrained`` writes it: weights with a ``config.json``.

Only these two files are opened, each as a stranger's: plain, bounded, read once. Tokenizer and generation files of
the folder say nothing about the function of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from auditor.checkpoints.intake.configuration import read_configuration
from auditor.errors import FormatError, UnsafeFileError
from auditor.records import Json

CONFIGURATION = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""In the order in which transformers looks for them."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where the weights are, what the library wrote about them, and what the model is called."""

    weights: Path
    library: Mapping[str, Json] | None
    name: str


def locate(path: Path) -> Located:
    """The weights of a file or folder. A file that is named as in such a folder keeps its ``config.json``.

    Raises:
        UnsafeFileError: a folder without the two files, or one whose files are no plain files.
        FormatError: weights split over several files.
        ConfigurationError: a ``config.json`` that is no plain map of names to values.
    """
    if path.is_symlink() or not path.is_dir():
        beside = path.with_name(CONFIGURATION) if path.name in WEIGHTS else None
        has_library = beside is not None and beside.is_file() and not path.is_symlink()
        return Located(path, read_configuration(beside) if beside is not None and has_library else None, path.stem)
    split = [path / f"{name}.index.json" for name in WEIGHTS if (path / f"{name}.index.json").exists()]
    if split:
        raise FormatError(
            f"{path.name}: weights in several files ({split[0].name})",
            expected="one file",
            action="save it again with a larger max_shard_size",
        )
    weights = [path / name for name in WEIGHTS if (path / name).exists()]
    if not weights or not (path / CONFIGURATION).exists():
        raise UnsafeFileError(
            f"{path.name}: a directory without {CONFIGURATION} and {' or '.join(WEIGHTS)}",
            expected="a file, or a folder that save_pretrained wrote",
            action="name the file itself",
        )
    return Located(weights[0], read_configuration(path / CONFIGURATION), path.resolve().name)
