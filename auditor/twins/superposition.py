"""One model laid over another without changing its function, so that their weights can be averaged.

Two trained models that agree in their outputs differ in the order of heads and neurons, in the bases in which heads
work and in the basis of the residual stream. With these taken over from the other model, what is left between the two
is a difference of mechanism, and the straight line between their weights may keep the function (linear mode
connectivity).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.records.axes import HEAD, NEURON
from auditor.symmetries.gauge_fixing.norms import drop_null_directions
from auditor.symmetries.gauge_fixing.writes import centre_writes
from auditor.symmetries.gauges import orthogonal_complement
from auditor.symmetries.nearest_gauge import procrustes, take_over_gauges
from auditor.symmetries.norm_readers import fold_norms, norm_readings
from auditor.symmetries.orders import reorder_heads, reorder_neurons
from auditor.symmetries.residual_basis import fixed_directions, turn_stream, why_bound
from auditor.twins.matching import match

SEQUENCES = 128
"""Sequences on which the streams of two models are laid over each other: thousands of tokens."""

IN_THE_STREAM = (Site.RESIDUAL, Site.ATTENTION_OUT, Site.MLP_OUT)
"""What stands in the basis of the residual stream."""


@torch.no_grad()
def superposed(
    model: CanonicalTransformer, student: CanonicalTransformer, inputs: InputBatch
) -> tuple[CanonicalTransformer, CanonicalTransformer]:
    """The model, and the student as near to it as its exact symmetries allow; in float64.

    Both keep their function; norms are folded in both, and nothing is left in directions that a LayerNorm removes.
    Where an architecture lacks a symmetry, its step is left out.
    """
    ours, theirs = (one.clone(dtype=torch.float64) for one in (student, model))
    for one in (ours, theirs):
        fold_norms(norm_readings(one))
        drop_null_directions(one)
        centre_writes(one)
    seen = inputs.rows(slice(0, SEQUENCES))
    if why_bound(ours) is None and why_bound(theirs) is None:
        turn_stream(ours, _rotation(ours, theirs, seen))
    _take_over_orders(ours, theirs, inputs)
    take_over_gauges(ours, theirs)
    return theirs, ours


@torch.no_grad()
def between(model: CanonicalTransformer, other: CanonicalTransformer, share: float) -> CanonicalTransformer:
    """The model with every weight moved by ``share`` of the way to the other's."""
    found, target = model.clone(), other.state_dict()
    for name, weight in found.state_dict().items():
        weight.lerp_(target[name], share)
    return found


def _rotation(ours: CanonicalTransformer, theirs: CanonicalTransformer, inputs: InputBatch) -> Tensor:
    """R [model, model] by which our stream comes nearest to theirs; it leaves alone what the norms and positions fix.

    With C an orthonormal basis of the rest: 1 + Cᵀ (O − 1) C, O orthogonal.
    """
    width = theirs.architecture.model_width
    free = torch.from_numpy(orthogonal_complement(width, fixed_directions(theirs)))
    turn = procrustes(*(_stream(one, inputs) @ free.T for one in (ours, theirs)))
    return torch.eye(width, dtype=free.dtype) + free.T @ (turn - torch.eye(len(free), dtype=free.dtype)) @ free


def _stream(model: CanonicalTransformer, inputs: InputBatch) -> Tensor:
    """Every vector in the basis of the stream, [vector, model], each place in a layer with the same total length."""
    rows: dict[tuple[Site, int], list[Tensor]] = {}
    for _, part in inputs.batches():
        _, cache = run_with_cache(model, part.tokens, sites=IN_THE_STREAM)
        for place, found in cache.activations.items():
            rows.setdefault(place, []).append(found[part.not_padding])
    whole = (torch.cat(rows[place]) for place in sorted(rows))
    return torch.cat([found / found.norm().clamp_min(1e-12) for found in whole])


def _take_over_orders(ours: CanonicalTransformer, theirs: CanonicalTransformer, inputs: InputBatch) -> None:
    """Heads and neurons in the order of their counterparts; without an output map the heads stay."""
    moves = match(theirs, ours, inputs).relabelling.moves
    blocks = theirs.architecture.blocks
    if theirs.architecture.output_map:
        orders = _orders(moves[HEAD], [block.heads for block in blocks])
        for attention, order in zip(ours.attentions, orders, strict=True):
            reorder_heads(attention, order)
    if ours.mlps:
        for mlp, order in zip(ours.mlps, _orders(moves[NEURON], [block.neurons for block in blocks]), strict=True):
            reorder_neurons(mlp, order)


def _orders(moves: Sequence[tuple[int, ...] | None], sizes: Sequence[int]) -> list[Tensor]:
    """For each layer, which of our components stands for each of theirs."""
    orders, first = [], 0
    for size in sizes:
        counterparts = [one[0] - first for one in moves[first : first + size] if one is not None]
        orders.append(torch.tensor(counterparts).argsort())
        first += size
    return orders
