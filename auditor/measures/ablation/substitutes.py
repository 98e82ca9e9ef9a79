"""What takes the place of an output: zero, its mean, its mean at that position, or what it is on another input."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.ablation.sweep import Substitute
from auditor.measures.untouched import Untouched


def zero(model: CanonicalTransformer) -> Substitute:
    """0 at every position."""
    nothing = [torch.zeros((), dtype=model.dtype)] * model.architecture.layers
    return lambda _rows, _length: nothing


def mean(untouched: Untouched, site: Site) -> Substitute:
    """The mean over all positions of all sequences."""
    means = [total.sum(0) / untouched.inputs.not_padding.sum() for total in _position_sums(untouched, site)]
    return lambda _rows, _length: means


def mean_per_position(untouched: Untouched, site: Site) -> Substitute:
    """The mean at each position over the sequences that reach it."""
    count = untouched.inputs.not_padding.sum(0).clamp_min(1)
    means = [
        total / count[: len(total)].view(-1, *[1] * (total.dim() - 1)) for total in _position_sums(untouched, site)
    ]
    return lambda _rows, length: [table[:length] for table in means]


@torch.no_grad()
def _position_sums(untouched: Untouched, site: Site) -> list[Tensor]:
    """Sums over sequences, per layer [position, …]."""
    width = untouched.inputs.tokens.shape[1]
    sums: list[Tensor] = []
    for piece in untouched.pieces():
        for layer in range(untouched.model.architecture.layers):
            value = piece.cache[site, layer]
            counts = piece.part.not_padding.to(value)
            new = torch.einsum("bp,bp...->p...", counts, value)
            if len(sums) == layer:
                sums.append(new.new_zeros(width, *new.shape[1:]))
            sums[layer][: len(new)] += new
    return sums


def resampled(untouched: Untouched, site: Site, generator: np.random.Generator) -> Substitute:
    """What the component puts out on another sequence of the inputs, drawn once per sequence.

    Position j takes what the donor has at j; a shorter donor is read again from its first position. Equal sequences
    share their donor, and no sequence is its own unless all are equal, so the draw does not depend on their order.
    """
    donors = _donors(untouched.inputs, generator)
    return lambda rows, length: untouched.activations(donors[rows], site, length)


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
