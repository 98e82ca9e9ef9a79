"""A checkpoint and all that describes it, from its file or folder, safely read and not yet understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from auditor.checkpoints.intake.configuration import configuration_beside, read_configuration
from auditor.checkpoints.intake.model_folder import locate
from auditor.checkpoints.intake.name_prefixes import without_wrappers
from auditor.checkpoints.intake.safe_loading import ForeignFile, read_checkpoint, read_shards
from auditor.contracts import Weights
from auditor.records import Json

LIBRARY_GROUP = "model_args"
LIBRARY_KEYS = (
    frozenset(("n_layer", "n_head", "n_embd", "block_size")),
    frozenset(("n_layers", "d_model", "n_ctx", "d_head")),
)
"""Keys that tell a group that says what the model is: of nanoGPT and of TransformerLens."""


@dataclass(frozen=True)
class Gathered:
    """A checkpoint and its description as they were read. ``facts`` are plain values beside the weights, by entry."""

    weights: Weights
    sha256: str
    name: str
    notes: tuple[str, ...]
    facts: Mapping[str, Mapping[str, Json]]


def gather(path: Path, *, config: str | Path | None = None, entry: str | None = None) -> Gathered:
    """A checkpoint with what describes it, safely read and not yet understood.

    Raises:
        UnsafeFileError, FormatError, ConfigurationError, CheckpointError: as :func:`load`.
    """
    located = locate(path)
    described = Path(config) if config is not None else configuration_beside(path)
    if located.shards:
        foreign = read_shards(located.shards, entry=entry)
    else:
        foreign = read_checkpoint(located.weights, entry=entry)
    facts = None if described is None else read_configuration(described)
    group = library_of(foreign.facts) if located.library is None else None
    library = located.library if group is None else foreign.facts[group]
    bare = without_wrappers(foreign.tensors)
    notes = _entry_notes(foreign, read=group)
    if bare.removed:
        notes = (*notes, f"taken off the names of tensors: {', '.join(bare.removed)}")
    weights = Weights(bare.tensors, facts, foreign.metadata, library)
    return Gathered(weights, foreign.sha256, _readable(located.name), notes, foreign.facts)


def _entry_notes(foreign: ForeignFile, *, read: str | None) -> tuple[str, ...]:
    if not foreign.entry:
        return ()
    sizes = "" if read is None else f", its sizes are in {ascii(read)[1:-1]!r}"
    others = ", ".join(ascii(name)[1:-1] for name in foreign.beside if name != read)
    return (
        f"the weights are the entry {ascii(foreign.entry)[1:-1]!r}{sizes}" + (f"; not read: {others}" * bool(others)),
    )


def library_of(facts: Mapping[str, Mapping[str, Json]]) -> str | None:
    """The group beside the weights that says what the model is, if there is one."""
    if LIBRARY_GROUP in facts:
        return LIBRARY_GROUP
    return next((name for name, group in facts.items() if any(keys <= set(group) for keys in LIBRARY_KEYS)), None)


def _readable(stem: str) -> str:
    """A file's name as text; a question mark for each byte that is not UTF-8."""
    return stem.encode("utf-8", "replace").decode("utf-8")
