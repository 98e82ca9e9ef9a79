"""A checkpoint that is a folder, as Hugging Face's ``save_pretrained`` writes it: weights with a ``config.json``.

Only these are opened, each as an untrusted file: plain, bounded, read once. Weights may be split over several files,
which an index names. Tokenizer and generation files of the folder do not change the function of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from auditor.checkpoints.intake.configuration import read_configuration
from auditor.errors import FormatError, UnsafeFileError
from auditor.records import Json

CONFIGURATION = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""In the order in which transformers looks for them."""

INDICES = tuple(f"{name}.index.json" for name in WEIGHTS)
MAX_SHARDS = 64


@dataclass(frozen=True, slots=True)
class Located:
    """Where the weights are, what the library wrote about them, and what the model is called.

    ``shards`` names the tensors that each file of split weights must hold; empty for weights in one file.
    """

    weights: Path
    library: Mapping[str, Json] | None
    name: str
    shards: Mapping[Path, frozenset[str]] = field(default_factory=dict)


def locate(path: Path) -> Located:
    """The weights of a file or folder. A file that is named as in such a folder keeps its ``config.json``.

    Raises:
        UnsafeFileError: a folder without weights, or one whose files are no plain files.
        FormatError: an index that is no map from tensors to files of the folder.
        ConfigurationError: a ``config.json`` that is no plain map of names to values.
    """
    if path.is_symlink() or not path.is_dir():
        library = None if path.is_symlink() or path.name not in (*WEIGHTS, *INDICES) else _library(path.parent)
        shards = _shards(path) if path.name in INDICES and path.is_file() else {}
        return Located(path, library, path.name.partition(".")[0] if shards else path.stem, shards)
    found = [path / name for name in (*WEIGHTS, *INDICES) if (path / name).exists() or (path / name).is_symlink()]
    if not found:
        raise UnsafeFileError(
            f"{path.name}: a directory without {' or '.join(WEIGHTS)}",
            expected="a file, or a folder that save_pretrained wrote",
            action="name the file itself",
        )
    shards = _shards(found[0]) if found[0].name in INDICES else {}
    return Located(found[0], _library(path), path.resolve().name, shards)


def _library(folder: Path) -> Mapping[str, Json] | None:
    file = folder / CONFIGURATION
    return read_configuration(file) if file.exists() else None


def _shards(index: Path) -> dict[Path, frozenset[str]]:
    """The files that an index names, and which tensors each holds."""
    places = read_configuration(index).get("weight_map")
    if not isinstance(places, Mapping) or not places:
        raise FormatError(f"{index.name}: no weight_map", expected="a map from tensors to files")
    files: dict[str, set[str]] = {}
    for tensor, file in places.items():
        if not isinstance(file, str) or file != Path(file).name or file in ("", ".", ".."):
            raise FormatError(f"{index.name}: {ascii(file)[:60]}", expected="the name of a file in the same folder")
        files.setdefault(file, set()).add(tensor)
    if len(files) > MAX_SHARDS:
        raise FormatError(f"{index.name}: {len(files)} files", expected=f"at most {MAX_SHARDS}")
    return {index.with_name(file): frozenset(files[file]) for file in sorted(files)}
