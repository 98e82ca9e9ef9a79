"""Converted tables become a canonical model of one dtype."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.serialisation import model_from_state
from auditor.language.task import Task


def assemble(tables: Mapping[str, Tensor], architecture: Architecture, task: Task) -> CanonicalTransformer:
    """The canonical model, in float64 if any table is. An unembedding equal to the embedding is one table with it.

    Raises:
        ConfigurationError: a table is missing, unknown or of another shape than the architecture has, by name.
    """
    if _is_tied(tables, architecture):
        architecture = replace(architecture, tied_unembedding=True)
        tables = {name: table for name, table in tables.items() if name != "W_U"}
    dtype = torch.float64 if any(t.dtype is torch.float64 for t in tables.values()) else torch.float32
    return model_from_state({name: table.to(dtype) for name, table in tables.items()}, architecture, task)


def _is_tied(tables: Mapping[str, Tensor], architecture: Architecture) -> bool:
    """Whether embedding and unembedding are equal, as they are after training with one shared table."""
    if "W_U" not in tables or architecture.classes is not None or architecture.embedding != "token":
        return False
    return architecture.embedding_trained and torch.equal(tables["W_U"].T, tables["W_E"])
