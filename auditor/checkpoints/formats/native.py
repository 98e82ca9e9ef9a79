"""Our own files: canonical safetensors with architecture and task in the metadata, in a JSON beside it, or in both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.serialisation import model_from_state
from auditor.checkpoints.native_file import METADATA_KEY, SCHEMA, read_description
from auditor.contracts import ArchitectureAdapter, Weights
from auditor.errors import ConfigurationError
from auditor.records import Json


class Native(ArchitectureAdapter):
    """Reads what ``dyck-audit train`` and ``models export`` write, bit for bit."""

    summary: ClassVar[str] = "dyck-audit's own safetensors, with or without a JSON beside it"
    source: ClassVar[str] = "auditor.checkpoints.native_file"

    def recognises(self, weights: Weights) -> bool:
        """Whether its metadata name the format, or it has our tensor names beside a description of ours."""
        if METADATA_KEY in weights.metadata:
            return True
        return weights.configuration is not None and weights.configuration.get("schema") == SCHEMA

    def convert(self, weights: Weights) -> CanonicalTransformer:
        """The model as it was saved.

        Raises:
            ConfigurationError: no description, two that contradict each other, or one that contradicts the tensors.
        """
        architecture, task = read_description(_description(weights))
        return model_from_state(weights.tensors, architecture, task)


def _description(weights: Weights) -> Mapping[str, Json]:
    beside = weights.configuration
    if METADATA_KEY not in weights.metadata:
        if beside is None:
            raise ConfigurationError(
                "weights without a description", expected="a JSON beside them", action="give it with --config"
            )
        return beside
    try:
        inside = json.loads(weights.metadata[METADATA_KEY])
    except (ValueError, RecursionError):
        raise ConfigurationError(f"metadata {METADATA_KEY!r} that is not JSON", expected=SCHEMA) from None
    if not isinstance(inside, dict):
        raise ConfigurationError(f"metadata {METADATA_KEY!r} that is not a map", expected=SCHEMA)
    if beside is not None and dict(beside) != inside:
        differing = sorted(name for name in {*beside, *inside} if beside.get(name) != inside.get(name))
        raise ConfigurationError(
            f"the description beside the weights contradicts the one inside them in {ascii(differing[0])[:60]}",
            expected="the same description",
            action="remove the one that is wrong",
        )
    return inside
