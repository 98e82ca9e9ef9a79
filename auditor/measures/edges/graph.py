"""The edges of a model whose parts all add to one residual stream.

Writers are the embedding, every head and every MLP; readers are the query, key and value of every head, every MLP and
the logits. A writer has an edge to every reader behind it: ``L0H1->L1H0.q``, ``embedding->L0.mlp``, ``L1.mlp->logits``.
Biases of output maps are no writers: they are the same on all inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.records import Component
from auditor.records.edges import edge

EMBEDDING = Component(0, part="embedding")
PORTS = ("q", "k", "v")


@dataclass(frozen=True)
class Step:
    """Readers that read at one place of the forward pass, and how many writers come before it."""

    readers: range
    writers: int


@dataclass(frozen=True)
class Graph:
    """All writers and readers in the order of the forward pass. Not slotted: what is computed is kept."""

    architecture: Architecture

    @cached_property
    def writers(self) -> tuple[Component, ...]:
        """The embedding, then the heads and the MLP of each layer."""
        found = [EMBEDDING]
        for layer in range(self.architecture.layers):
            found += [head for head in self.architecture.heads if head.layer == layer]
            found += [Component(layer, part="mlp")] if self.has_mlp else []
        return tuple(found)

    @cached_property
    def readers(self) -> tuple[str, ...]:
        """Their names: of each layer the queries of all heads, their keys, their values, then the MLP; the logits."""
        found: list[str] = []
        for layer in range(self.architecture.layers):
            heads = [head.label for head in self.architecture.heads if head.layer == layer]
            found += [f"{head}.{port}" for port in PORTS for head in heads]
            found += [f"L{layer}.mlp"] if self.has_mlp else []
        return (*found, "logits")

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Of each layer the heads, then the MLP; at last the logits."""
        found, reader, writer = [], 0, 1
        for block in self.architecture.blocks:
            for readers, writers in ((3 * block.heads, block.heads), *([(1, 1)] if self.has_mlp else [])):
                found.append(Step(range(reader, reader + readers), writer))
                reader, writer = reader + readers, writer + writers
        return (*found, Step(range(reader, reader + 1), writer))

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(writer, reader) by their numbers, step by step, then reader by reader."""
        return tuple(
            (writer, reader) for step in self.steps for reader in step.readers for writer in range(step.writers)
        )

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """The edges by name."""
        return tuple(edge(self.writers[writer], self.readers[reader]) for writer, reader in self.edges)

    @property
    def has_mlp(self) -> bool:
        """Whether layers have an MLP."""
        return self.architecture.mlp == "two_layer"

    def table(self, chosen: Tensor) -> Tensor:
        """[writer, reader] from one entry per edge [edge]; False or 0 where there is no edge."""
        found = torch.zeros(len(self.writers), len(self.readers), dtype=chosen.dtype)
        writers, readers = torch.tensor(self.edges).T
        found[writers, readers] = chosen
        return found


def no_graph(model: CanonicalTransformer) -> str | None:
    """Why a model's parts do not all add to one residual stream, or None."""
    architecture = model.architecture
    if not architecture.attention_residual:
        return "no residual goes past the attention, so that later parts do not read a sum of writes"
    if architecture.mlp == "identity" or (architecture.mlp == "two_layer" and not architecture.mlp_residual):
        return "no residual goes past the MLP, so that later parts do not read a sum of writes"
    if architecture.mlp_input_residual or {"attention_out", "mlp_out"} & {*architecture.norm_sites}:
        return "a norm stands on the residual stream itself, so that later parts do not read a sum of writes"
    return None
