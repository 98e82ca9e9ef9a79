"""Checkpoints of attention-only models that keep all maps in one tensor.

    table [token, model]     maps [layer, 4, model, model], the four being Q, K, V and O     head [model, token]

Row vectors times a map; heads lie side by side in the columns of Q, K and V and the rows of O. No biases, no norms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.description.assembly import assemble
from auditor.checkpoints.description.language_facts import check_vocabulary, task_of
from auditor.checkpoints.description.reading import Description
from auditor.checkpoints.description.schema import check_names
from auditor.checkpoints.description.state_dict import StateDict
from auditor.contracts import ArchitectureAdapter, Weights
from auditor.errors import ConfigurationError

KEYS = ("table", "maps", "head")
MAPS = 4


class StackedAttention(ArchitectureAdapter):
    """Reads the three tensors; the number of heads is a fact of ``--config``."""

    summary: ClassVar[str] = "attention-only models with all maps in one tensor"
    source: ClassVar[str] = "this package"
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {"model": ("heads",)}

    def recognises(self, weights: Weights) -> bool:
        """Whether the tensor of all maps is there."""
        return "maps" in weights.tensors and weights.tensors["maps"].dim() == MAPS

    def convert(self, weights: Weights) -> CanonicalTransformer:
        """The canonical model.

        Raises:
            ConfigurationError: a missing fact, by name, or one that contradicts the weights.
            FormatError: a tensor that is unknown or missing, by name.
        """
        description = Description(weights.configuration or {})
        check_names(description, model=self.reads["model"])
        task, heads = task_of(description), description.whole("model.heads")
        tensors = StateDict(weights.tensors)
        layers, width = tensors.axes("maps", 4)[0], tensors.axes("table", 2)[1]
        tokens = len(task.language.vocabulary)
        check_vocabulary(task.language.vocabulary, tensors.shape("table")[0], table="'table'")
        if width % heads:
            raise ConfigurationError(f"{heads} heads in a width of {width}", expected="a divisor of the width")
        maps = tensors.take("maps", layers, MAPS, width, width, because="the width of 'table'")
        tables: dict[str, Tensor] = {
            "W_E": tensors.take("table", tokens, width, because="the vocabulary"),
            "W_U": tensors.take("head", width, tokens, because="the vocabulary"),
            "b_U": torch.zeros(tokens),
        }
        tensors.finish()
        for layer in range(layers):
            tables |= _attention(f"layers.{layer}.attention.", maps[layer], heads)
        block = Block(heads=heads, query_width=width // heads, value_width=width // heads, neurons=0)
        architecture = Architecture(
            model_width=width, vocabulary_size=tokens, blocks=(block,) * layers, norm_sites=(), mlp="none"
        )
        return assemble(tables, architecture, task)


def _attention(prefix: str, maps: Tensor, heads: int) -> dict[str, Tensor]:
    width = maps.shape[-1]
    tables = {f"{prefix}b_O": torch.zeros(width)}
    for name, map_ in zip("QKV", maps, strict=False):
        tables[f"{prefix}W_{name}"] = map_.reshape(width, heads, -1).clone()
        tables[f"{prefix}b_{name}"] = torch.zeros(heads, width // heads)
    tables[f"{prefix}W_O"] = maps[3].reshape(heads, -1, width).clone()
    return tables
