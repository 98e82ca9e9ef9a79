"""From a path to a canonical model: read safely, find the format, convert, check."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.configuration import configuration_beside, read_configuration
from auditor.checkpoints.intake.model_folder import locate
from auditor.checkpoints.intake.safe_loading import read_checkpoint
from auditor.contracts import ArchitectureAdapter, Weights, adapters
from auditor.errors import CheckpointError, FormatError
from auditor.seeds import numpy_generator

AUTO = "auto"
_PROBE_SEQUENCES = 4


@dataclass(frozen=True, slots=True)
class Loaded:
    """A converted checkpoint. ``sha256`` is that of the file it came from."""

    model: CanonicalTransformer
    format: str
    sha256: str
    name: str


def load(path: str | Path, *, config: str | Path | None = None, format: str = AUTO) -> Loaded:  # noqa: A002 - as in --format
    """The canonical model of a checkpoint. Without ``config``, a description beside it with the same name is read.

    Raises:
        UnsafeFileError: the file is hostile, damaged or over a limit; nothing in it was executed.
        FormatError: no format, or several, read it; or a tensor is unknown or missing, by name.
        ConfigurationError: a fact is missing, by name, or contradicts the weights.
        CheckpointError: no such file, or weights or logits that are not finite.
    """
    path = Path(path)
    found = locate(path)
    described = Path(config) if config is not None else configuration_beside(path)
    foreign = read_checkpoint(found.weights)
    facts = None if described is None else read_configuration(described)
    library = found.library if foreign.library is None else foreign.library
    weights = Weights(foreign.tensors, facts, foreign.metadata, library)
    adapter = choose(weights, format)
    model = adapter.convert(weights)
    probe(model)
    return Loaded(model=model, format=adapter.name, sha256=foreign.sha256, name=_readable(found.name))


def _readable(stem: str) -> str:
    """A file's name as text; a question mark for each byte that is not UTF-8."""
    return stem.encode("utf-8", "replace").decode("utf-8")


def choose(weights: Weights, format: str = AUTO) -> ArchitectureAdapter:  # noqa: A002 - as in --format
    """The adapter that a name, or the names of the tensors, call for.

    Raises:
        FormatError: an unknown name, or tensors that no format or several formats recognise.
    """
    known = adapters()
    if format != AUTO:
        if format not in known:
            raise FormatError(f"unknown format {format!a}", expected=" or ".join((AUTO, *known)))
        return known[format]
    candidates = [adapter for adapter in known.values() if adapter.recognises(weights)]
    if not candidates:
        first = ", ".join(ascii(name)[:60] for name in sorted(weights.tensors)[:3])
        raise FormatError(
            f"tensors of no known format ({first} …)", expected=" or ".join(known), action="name one with --format"
        )
    if len(candidates) > 1:
        names = " or ".join(adapter.name for adapter in candidates)
        raise FormatError("tensors that several formats recognise", expected=names, action="choose one with --format")
    return candidates[0]


def probe(model: CanonicalTransformer) -> None:
    """Raise CheckpointError unless a few strings of the model's own language give finite logits."""
    tokens = model.task.draw(_PROBE_SEQUENCES, numpy_generator(0, "intake", "probe")).inputs
    with torch.no_grad():
        logits = model(torch.from_numpy(tokens[:, : model.architecture.max_positions]))
    if not bool(torch.isfinite(logits).all()):
        raise CheckpointError(
            "finite weights give logits that are NaN or infinite",
            expected="finite logits",
            action="the weights overflow: train again with a lower learning rate",
        )
