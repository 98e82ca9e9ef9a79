"""The checkpoints of a folder, and its other entries with the reason why each is no checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from auditor.checkpoints.intake.configuration import SUFFIXES as DESCRIPTIONS
from auditor.checkpoints.intake.model_folder import CONFIGURATION, WEIGHTS

CHECKPOINTS = (".safetensors", ".params", ".pt", ".pth", ".bin", ".ckpt")
"""Endings of checkpoints, in any case."""

TRAINING_STATE = ("optimizer", "scheduler", "training_args", "rng_state", "scaler")
"""How trainers begin the names of files that hold no model."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something in a folder that is not audited, and why."""

    name: str
    reason: str


def look_through(folder: Path) -> tuple[list[Path], list[Skipped]]:
    """Files and Hugging Face folders that are checkpoints, and what is skipped; each in order of its name.

    A description beside its checkpoint is neither. A folder that is itself one of Hugging Face is the one checkpoint.
    """
    if is_model_folder(folder):
        return [folder], []
    inside = sorted(folder.iterdir())
    found = [path for path in inside if not _reason(path)]
    described = {path.stem for path in found if path.is_file()} | {path.name for path in found if path.is_dir()}
    return found, list(_skipped(inside, described))


def is_model_folder(path: Path) -> bool:
    """Whether ``save_pretrained`` wrote it: weights, whole or in parts, with their configuration."""
    names = (*WEIGHTS, *(f"{name}.index.json" for name in WEIGHTS))
    return (path / CONFIGURATION).is_file() and any((path / name).is_file() for name in names)


def _skipped(inside: list[Path], described: set[str]) -> Iterator[Skipped]:
    for path in inside:
        reason = _reason(path)
        is_description = path.suffix.lower() in DESCRIPTIONS and path.is_file()
        if reason and not (is_description and path.stem in described):
            yield Skipped(path.name, "describes no checkpoint here" if is_description else reason)


def _reason(path: Path) -> str:
    """Why a path is no checkpoint; empty where it is one."""
    if path.name.startswith("."):
        return "hidden"
    if path.is_dir():
        if is_model_folder(path):
            return ""
        count = sum(1 for inner in path.iterdir() if not _reason_of_file(inner))
        inner = f"{count} checkpoints in it: name this folder itself" if count else "no checkpoint in it"
        return f"a folder without {CONFIGURATION} and {' or '.join(WEIGHTS)}; {inner}"
    return _reason_of_file(path)


def _reason_of_file(path: Path) -> str:
    if not path.is_file():
        return "not a plain file"
    if path.suffix.lower() not in CHECKPOINTS:
        return f"ending {path.suffix!r} is none of {', '.join(CHECKPOINTS)}" if path.suffix else "no ending"
    if path.stem.lower().startswith(TRAINING_STATE):
        return "a training state, not a model"
    return ""
