"""The residual stream between the layers, what each half writes into it, and how the logits are read from it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Request
from auditor.measures.untouched import Piece, untouched
from auditor.records import Component
from auditor.symmetries.norm_readers import norm_readings
from auditor.tensors import Logits, Residual

EMBEDDING = Component(0, part="embedding")


def stream_components(model: CanonicalTransformer) -> tuple[Component, ...]:
    """The embedding, then the stream as it leaves each layer ("residual")."""
    return (EMBEDDING, *(Component(layer, part="residual") for layer in range(model.architecture.layers)))


def write_components(model: CanonicalTransformer) -> tuple[Component, ...]:
    """What is written into the stream: by the "attention" of each layer and by its "mlp" where it has neurons."""
    has_neurons = [bool(block.neurons) for block in model.architecture.blocks]
    return tuple(
        Component(layer, part=part)
        for layer, has_mlp in enumerate(has_neurons)
        for part in (("attention", "mlp") if has_mlp else ("attention",))
    )


def streams_and_writes(model: CanonicalTransformer, piece: Piece) -> dict[Component, Residual]:
    """Activations [batch, position, model] of all stream and write components of an untouched pass."""
    layers = model.architecture.layers
    found = {EMBEDDING: piece.cache[Site.RESIDUAL, 0]}
    for layer in range(layers):
        block = model.block(layer)
        attention = piece.cache[Site.ATTENTION_OUT, layer]
        found[Component(layer, part="attention")] = attention
        if block.mlp is not None:
            found[Component(layer, part="mlp")] = piece.cache[Site.MLP_OUT, layer]
        is_last = layer == layers - 1
        found[Component(layer, part="residual")] = (
            block.mlp_half(block.add_attention(piece.cache[Site.RESIDUAL, layer], attention))
            if is_last
            else piece.cache[Site.RESIDUAL, layer + 1]
        )
    return found


def activations_at(request: Request, where: Tensor) -> dict[Component, NDArray[np.float64]]:
    """What each component holds at the chosen positions [sequence, position], [chosen, model], row by row."""
    count = int(where.sum())
    place = torch.full(where.shape, -1)
    place[where] = torch.arange(count)
    found: dict[Component, NDArray[np.float64]] = {}
    for piece in untouched(request).pieces():
        short = piece.part.tokens.shape[1]
        here = where[piece.rows][:, :short]
        index = place[piece.rows][:, :short][here].numpy()
        for component, value in streams_and_writes(request.model, piece).items():
            table = found.setdefault(component, np.empty((count, value.shape[2])))
            table[index] = value[here].double().numpy()
    return found


def lens_logits(model: CanonicalTransformer, stream: Residual) -> Logits:
    """Logits read from a stream that has not passed the last layer, [batch, position, vocabulary].

    Through the norm that the unembedding reads: the final norm, or else the last of the last block.
    """
    normed = stream
    for reading in norm_readings(model):
        if any(map_.weight is model.W_U for map_ in reading.maps) or _TIED in reading.others:
            normed = reading.norm(stream)
    weight = model.W_E.T if model.W_U is None else model.W_U
    logits: Tensor = normed @ weight + model.b_U
    return logits


_TIED = "the tied unembedding"
"""How the norm readers name a tied unembedding."""
