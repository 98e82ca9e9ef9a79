"""Converted tables become a canonical model of one dtype."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.serialisation import model_from_state
from auditor.language.task import Task


def assemble(tables: Mapping[str, Tensor], architecture: Architecture, task: Task) -> CanonicalTransformer:
    """The canonical model, in float64 if any table is.

    Raises:
        ConfigurationError: a table is missing, unknown or of another shape than the architecture has, by name.
    """
    dtype = torch.float64 if any(t.dtype is torch.float64 for t in tables.values()) else torch.float32
    return model_from_state({name: table.to(dtype) for name, table in tables.items()}, architecture, task)
