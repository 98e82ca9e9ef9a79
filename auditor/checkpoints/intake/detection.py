"""From a path to a canonical model: read safely, find the format, convert, check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.description.completeness import convert
from auditor.checkpoints.description.unsupported import unsupported
from auditor.checkpoints.intake.gathering import gather
from auditor.checkpoints.intake.name_prefixes import cut, strip, strip_described, without_ignored
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
    precision: str = "float32"  # of the weights in the file
    notes: tuple[str, ...] = ()  # what was taken off, left out or not read


def load(
    path: str | Path,
    *,
    config: str | Path | None = None,
    format: str = AUTO,  # noqa: A002 - as in --format
    entry: str | None = None,
) -> Loaded:
    """The canonical model of a checkpoint. Without ``config``, a description beside it with the same name is read.

    ``entry`` names the entry of a nested checkpoint that holds the weights, where several do.

    Raises:
        UnsafeFileError: the file is hostile, damaged or over a limit; nothing in it was executed.
        FormatError: no format, or several, read it; or a tensor is unknown or missing, by name.
        ConfigurationError: facts are missing, by name, or one contradicts the weights.
        CheckpointError: no such file, or weights or logits that are not finite.
    """
    found = gather(Path(path), config=config, entry=entry)
    adapter = choose(found.weights, format)
    weights, notes = prepared(adapter, found.weights)
    model = convert(adapter, weights)
    probe(model)
    return Loaded(
        model=model,
        format=adapter.name,
        sha256=found.sha256,
        name=found.name,
        precision=precision_of(weights.tensors),
        notes=(*found.notes, *notes, *adapter.notes(weights)),
    )


def prepared(adapter: ArchitectureAdapter, weights: Weights) -> tuple[Weights, tuple[str, ...]]:
    """The weights under the names of a format, without those to be ignored, and a note about a prefix."""
    tensors = without_ignored(weights.tensors, weights.configuration)
    prefix = cut(tensors, adapter.landmark)
    configuration = strip_described(weights.configuration, prefix)
    bare = without_ignored(strip(tensors, prefix), configuration)
    notes = (f"taken off the names of all tensors: {ascii(prefix)[1:-1]}",) if prefix else ()
    return replace(weights, tensors=bare, configuration=configuration), notes


def precision_of(tensors: Mapping[str, Tensor]) -> str:
    """The smallest floating-point type of a matrix among the tensors."""
    floats = [t.dtype for t in tensors.values() if t.dtype.is_floating_point and t.dim() >= 2]
    return str(min(floats, key=lambda dtype: torch.finfo(dtype).bits, default=torch.float32)).removeprefix("torch.")


def choose(weights: Weights, format: str = AUTO) -> ArchitectureAdapter:  # noqa: A002 - as in --format
    """The adapter with this name, or the one that recognises the names of the tensors.

    Raises:
        FormatError: an unknown name, or tensors that no format or several formats recognise.
    """
    known = adapters()
    if format != AUTO:
        if format not in known:
            raise FormatError(f"unknown format {format!a}", expected=" or ".join((AUTO, *known)))
        return known[format]
    candidates = [adapter for adapter in known.values() if adapter.recognises(prepared(adapter, weights)[0])]
    if not candidates:
        first = ", ".join(ascii(name)[:60] for name in sorted(weights.tensors)[:3])
        why = unsupported(weights.tensors)
        raise FormatError(
            f"tensors of no known format ({first} …)" + (f"; {why}" if why else ""),
            expected=" or ".join(known),
            action="name one with --format; `inspect CHECKPOINT --template` lists all tensors",
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
