"""Rotate the residual stream: an orthogonal change of the basis in which all layers meet."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from auditor.canonical.model import Attention, CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.theory import Aspect
from auditor.symmetries.gauges import orthogonal_complement, random_rotation
from auditor.symmetries.norm_readers import NormReading, fold_norms, norm_readings


class ResidualRotation(Equivalence):
    """What writes the stream is multiplied by R from the right, what reads it by Rᵀ from the left.

    RMS norm commutes with every rotation and LayerNorm with those that fix the all-ones vector, once their gains are
    folded into the maps that read them; a gain that cannot be folded must be a constant.
    """

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.STREAM_BASIS, Aspect.STREAM_READS, Aspect.NORM_OUTPUTS})
    smallest_plan = "quick"
    summary = "rotates the basis of the residual stream, after folding the norms"
    needs = "positions and an output map that can be rotated, and every gain foldable or constant"
    source = "Ashkboos et al. 2024, arXiv 2401.15024, theorem 1; Elhage et al. 2021 (no privileged basis)"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Names the part that fixes the basis."""
        architecture = model.architecture
        if architecture.positions == "sinusoidal":
            return "sinusoidal positions are bound to their features"
        if not architecture.output_map and any(block.heads > 1 for block in architecture.blocks):
            return "without an output map the heads are bound to their features"
        readings = norm_readings(model)
        for reading in readings:
            if not reading.is_foldable and not _is_constant(reading.norm.weight):
                return f"the gain of {reading.name} is not constant and also feeds {' and '.join(reading.others)}"
        if not len(orthogonal_complement(architecture.model_width, _fixed(model, readings))):
            return "the norms and positions fix every direction of the residual stream"
        return None

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random R; ``parameters["folded"]`` names the norms that were folded for it."""
        model, generator = request.model, request.generator
        twin = model.clone()
        readings = norm_readings(twin)
        folded = fold_norms(readings)
        rotation = random_rotation(
            model.architecture.model_width, _fixed(twin, readings), generator, dtype=twin.dtype
        ).to(twin.device)
        for table in _written(twin, readings):
            table.copy_(table @ rotation)
        for weight in _reading(twin):
            weight.copy_(torch.tensordot(rotation.T, weight, dims=1))
        return Transformed(twin, parameters={"folded": list(folded)})


def _is_constant(gain: Tensor) -> bool:
    return bool((gain == gain[0]).all())


def _fixed(model: CanonicalTransformer, readings: tuple[NormReading, ...]) -> np.ndarray:
    """Directions [count, model] that R must leave alone."""
    width, rows = model.architecture.model_width, []
    if any(isinstance(reading.norm, nn.LayerNorm) for reading in readings):
        rows.append(np.ones(width))
    if model.architecture.positions == "scalar":
        rows.append(np.eye(width)[-1])
    return np.asarray(rows).reshape(len(rows), width)


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
