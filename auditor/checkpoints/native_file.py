"""The native file: canonical weights, with architecture and task in their metadata and again as JSON beside them.

One file is enough to load a model; the JSON is for people and for tools that do not read safetensors headers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.serialisation import check_finite, state_of
from auditor.errors import ConfigurationError
from auditor.files.documents import Table
from auditor.files.whole_file import write_whole
from auditor.language.task import Task
from auditor.records import Json

METADATA_KEY = "dyck_audit"
SCHEMA = "dyck-audit/model/1"
FIELDS = ("schema", "architecture", "task")


def describe(model: CanonicalTransformer) -> dict[str, Json]:
    """Everything about a model but its weights, as JSON."""
    return {"schema": SCHEMA, "architecture": model.architecture.to_json(), "task": model.task.to_json()}


def read_description(data: Mapping[str, Json]) -> tuple[Architecture, Task]:
    """Inverse of :func:`describe`.

    Raises:
        ConfigurationError: another schema, or a missing, unknown or contradictory field, by name.
    """
    if data.get("schema") != SCHEMA:
        raise ConfigurationError(f"description schema {ascii(data.get('schema'))[:60]}", expected=SCHEMA)
    table = Table(data, ConfigurationError, where="description: ")
    table.no_others(FIELDS)
    return Architecture.from_json(table.table("architecture")), Task.from_json(table.table("task"))


def native_bytes(model: CanonicalTransformer) -> bytes:
    """The native file in memory: the same model gives the same bytes.

    Raises:
        CheckpointError: a weight that is not finite, by name.
    """
    state = state_of(model)
    check_finite(state)
    text = json.dumps(describe(model), sort_keys=True, separators=(",", ":"), allow_nan=False)
    data: bytes = safetensors.torch.save(state, metadata={METADATA_KEY: text})
    return data


def save_native(model: CanonicalTransformer, path: Path) -> None:
    """Write the native file, and its description beside it as ``.json``; each appears whole or not at all.

    Raises:
        CheckpointError: a weight that is not finite, by name.
    """
    data = native_bytes(model)
    description = json.dumps(describe(model), indent=2, sort_keys=True, allow_nan=False) + "\n"
    write_whole(path.with_suffix(".json"), description.encode())
    write_whole(path, data)
