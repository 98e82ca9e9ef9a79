"""Changes of the basis in which all layers meet: what writes the stream is turned by R, what reads it by Rᵀ.

RMS norm commutes with every rotation and LayerNorm with those that fix the all-ones vector, once their gains are folded
into the maps that read them; a gain that cannot be folded must be a constant.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from auditor.canonical.model import Attention, CanonicalTransformer
from auditor.symmetries.gauges import orthogonal_complement
from auditor.symmetries.norm_readers import NormReading, norm_readings


def why_bound(model: CanonicalTransformer) -> str | None:
    """The part that fixes the basis of the stream, or None where it can be turned."""
    architecture = model.architecture
    if architecture.positions == "sinusoidal":
        return "sinusoidal positions are bound to their features"
    if not architecture.output_map and any(block.heads > 1 for block in architecture.blocks):
        return "without an output map the heads are bound to their features"
    for reading in norm_readings(model):
        if not reading.is_foldable and not _is_constant(reading.norm.weight):
            return f"the gain of {reading.name} is not constant and also feeds {' and '.join(reading.others)}"
    if not len(orthogonal_complement(architecture.model_width, fixed_directions(model))):
        return "the norms and positions fix every direction of the residual stream"
    return None


def fixed_directions(model: CanonicalTransformer) -> np.ndarray:
    """Directions [count, model] that R must leave alone."""
    width, rows = model.architecture.model_width, []
    if any(isinstance(reading.norm, nn.LayerNorm) for reading in norm_readings(model)):
        rows.append(np.ones(width))
    if model.architecture.positions == "scalar":
        rows.append(np.eye(width)[-1])
    return np.asarray(rows).reshape(len(rows), width)


@torch.no_grad()
def turn_stream(model: CanonicalTransformer, rotation: Tensor) -> None:
    """Turn the stream by an orthogonal ``rotation`` [model, model], in place; every foldable norm must be folded."""
    for table in _written(model, norm_readings(model)):
        table.copy_(table @ rotation)
    for weight in _reading(model):
        weight.copy_(torch.tensordot(rotation.T, weight, dims=1))


def _is_constant(gain: Tensor) -> bool:
    return bool((gain == gain[0]).all())


def _written(model: CanonicalTransformer, readings: tuple[NormReading, ...]) -> Iterator[Tensor]:
    """Every table whose last axis is the residual stream."""
    yield model.W_E
    if model.architecture.positions == "learned":
        yield model.W_pos
    for attention in model.attentions:
        yield from _attention_tables(attention)
    for mlp in model.mlps:
        yield from (mlp.W_out, mlp.b_out)
    yield from (reading.bias for reading in readings if reading.bias is not None)


def _attention_tables(attention: Attention) -> tuple[Tensor, Tensor]:
    if attention.W_O is None or attention.b_O is None:
        return attention.W_V, attention.b_V
    return attention.W_O, attention.b_O


def _reading(model: CanonicalTransformer) -> Iterator[Tensor]:
    """Every weight whose first axis is the residual stream; a tied unembedding is rotated with the token table."""
    for attention in model.attentions:
        yield from (attention.W_Q, attention.W_K, attention.W_V)
    yield from (mlp.W_in for mlp in model.mlps)
    if model.W_U is not None:
        yield model.W_U
