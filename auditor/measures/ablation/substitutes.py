"""What takes the place of an output: zero, its mean, its mean at that position, or what it is on another input."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.ablation.sweep import Substitute


def zero(model: CanonicalTransformer) -> Substitute:
    """0 at every position."""
    nothing = [torch.zeros((), dtype=model.dtype)] * model.architecture.layers
    return lambda _rows, _length: nothing


def mean(model: CanonicalTransformer, inputs: InputBatch, site: Site) -> Substitute:
    """The mean over all positions of all sequences."""
    sums = _position_sums(model, inputs, site)
    means = [total.sum(0) / inputs.not_padding.sum() for total in sums]
    return lambda _rows, _length: means


def mean_per_position(model: CanonicalTransformer, inputs: InputBatch, site: Site) -> Substitute:
    """The mean at each position over the sequences that reach it."""
    count = inputs.not_padding.sum(0).clamp_min(1)
    means = [
        total / count[: len(total)].view(-1, *[1] * (total.dim() - 1)) for total in _position_sums(model, inputs, site)
    ]
    return lambda _rows, length: [table[:length] for table in means]


@torch.no_grad()
def _position_sums(model: CanonicalTransformer, inputs: InputBatch, site: Site) -> list[Tensor]:
    """Sums over sequences, per layer [position, …]."""
    width = int(inputs.not_padding.sum(1).max())
    sums: list[Tensor] = []
    for _, part in inputs.unpadded():
        _, cache = run_with_cache(model, part.tokens, sites=(site,))
        for layer in range(model.architecture.layers):
            new = cache[site, layer].sum(0)
            if len(sums) == layer:
                sums.append(new.new_zeros(width, *new.shape[1:]))
            sums[layer][: len(new)] += new
    return sums


def resampled(
    model: CanonicalTransformer, inputs: InputBatch, site: Site, generator: np.random.Generator
) -> Substitute:
    """What the component puts out on another sequence of the inputs, drawn once per sequence.

    Position j takes what the donor has at j; a shorter donor is read again from its first position. Equal sequences
    share their donor, and no sequence is its own unless all are equal, so the draw does not depend on their order.
    """
    donors = _donors(inputs, generator)

    def substitute(rows: Tensor, length: int) -> list[Tensor]:
        return activations(model, inputs.rows(donors[rows]), site, length)

    return substitute


def _donors(inputs: InputBatch, generator: np.random.Generator) -> Tensor:
    """The donor of each sequence, [sequence], by its row."""
    content = torch.where(inputs.not_padding, inputs.tokens, -1).numpy()
    _, first, kind, count = np.unique(content, axis=0, return_index=True, return_inverse=True, return_counts=True)
    chosen = np.zeros(len(first), dtype=np.int64)
    for own in range(len(first)):
        others = count.astype(np.float64)
        if len(first) > 1:
            others[own] = 0.0
        chosen[own] = generator.choice(len(first), p=others / others.sum())
    return torch.from_numpy(first[chosen[kind.reshape(-1)]])


@torch.no_grad()
def activations(model: CanonicalTransformer, donors: InputBatch, site: Site, length: int) -> list[Tensor]:
    """Per layer [donor, ``length``, …], each donor read round and round."""
    found: list[Tensor] = []
    for rows, part in donors.unpadded():
        _, cache = run_with_cache(model, part.tokens, sites=(site,))
        position = torch.arange(length) % part.tokens.shape[1]
        for layer in range(model.architecture.layers):
            values = cache[site, layer][:, position]
            if len(found) == layer:
                found.append(values.new_empty(len(donors), *values.shape[1:]))
            found[layer][rows] = values
    return found
