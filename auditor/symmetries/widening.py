"""Make room for more heads or neurons in a model without changing its function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from auditor.canonical.model import Attention, CanonicalTransformer
from auditor.contracts import Equivalence, without_neurons
from auditor.records import Kind
from auditor.records.theory import Aspect

FLOOR = 0.1
"""Size of a new weight where the old ones are all zero."""


class MoreHeads(Equivalence):
    """What moves that add heads to every layer have in common."""

    kind = Kind.EXACT
    changes = frozenset({Aspect.HEAD_COUNT})
    widens = True
    needs = "an output map"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Without W_O the number of heads is bound to the width."""
        return None if model.architecture.output_map else "the model has no output map: its heads fill its width"


class MoreNeurons(Equivalence):
    """What moves that add neurons to every MLP have in common."""

    kind = Kind.EXACT
    changes = frozenset({Aspect.NEURON_COUNT})
    widens = True
    needs = "a two-layer MLP"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs an MLP to add to."""
        return without_neurons(model)


@torch.no_grad()
def widened(
    model: CanonicalTransformer, *, heads: Sequence[int] | None = None, neurons: Sequence[int] | None = None
) -> CanonicalTransformer:
    """A copy with so many more heads or neurons per layer, behind the old ones, with all their weights at zero.

    Zeros write nothing, so the function stays. Needs an output map for heads and an MLP for neurons.
    """
    none = [0] * model.architecture.layers
    blocks = tuple(
        replace(block, heads=block.heads + more_heads, neurons=block.neurons + more_neurons)
        for block, more_heads, more_neurons in zip(
            model.architecture.blocks, heads or none, neurons or none, strict=True
        )
    )
    twin = model.clone(architecture=replace(model.architecture, blocks=blocks)).to(model.device)
    tables = twin.state_dict()
    for name, old in model.state_dict().items():
        tables[name][tuple(slice(0, length) for length in old.shape)] = old
    return twin


@torch.no_grad()
def share_with_last(attention: Attention, head: int, *, kept: float, given: float) -> None:
    """Let the last head, so far zero, attend as ``head`` does: the old one keeps a share of its W_O, the copy gets one.

    With ``kept`` + ``given`` = 1 the function stays.
    """
    for name in ("W_Q", "W_K", "W_V"):
        weight = getattr(attention, name)
        weight[:, -1] = weight[:, head]
    for name in ("b_Q", "b_K", "b_V"):
        bias = getattr(attention, name)
        bias[-1] = bias[head]
    W_O, _ = attention.output
    W_O[-1] = given * W_O[head]
    W_O[head] = kept * W_O[head]


def extended(
    counts: Sequence[int], extras: Sequence[Sequence[tuple[int, ...] | None]]
) -> tuple[tuple[int, ...] | None, ...]:
    """Relabelling entries of a widened axis: per layer its ``counts`` old components, then what the new stand for.

    ``extras[layer]`` counts old components within the layer.
    """
    moves: list[tuple[int, ...] | None] = []
    first = 0
    for count, new in zip(counts, extras, strict=True):
        moves += [(first + index,) for index in range(count)]
        moves += [None if olds is None else tuple(first + old for old in olds) for olds in new]
        first += count
    return tuple(moves)


def random_like(table: Tensor, shape: tuple[int, ...], generator: np.random.Generator) -> Tensor:
    """Random weights of the size of those in ``table``."""
    size = max(float(table.detach().square().mean().sqrt()), FLOOR)
    return torch.from_numpy(generator.normal(0.0, size, size=shape)).to(table)
