"""Shift the maps that read a LayerNorm along the direction in which its output never varies."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.theory import Aspect
from auditor.symmetries.norm_readers import LinearMap, NormReading, changed_by_norms, norm_readings

SIZE = 2.0
"""Size of the shift per output, in root mean squares of the map's weights."""

FLOOR = 0.1
"""Root mean square taken for a map of zeros."""


class NormNullShift(Equivalence):
    """W → W + u rᵀ, b → b − (bias·u) r with u = 1/gain and any r.

    A LayerNorm gives n ⊙ gain + bias with Σ n = 0, so its product with u is bias·u at every input.
    """

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.STREAM_READS})
    smallest_plan = "quick"
    summary = "shifts each map that reads a LayerNorm along the one direction in which the norm's output never varies"
    needs = "a linear map that reads a LayerNorm without zeros in its gain"
    source = "Brody et al. 2023, arXiv 2305.02582 (LayerNorm's output lies in a hyperplane); this package for the move"

    def changes_in(self, architecture: Architecture) -> frozenset[Aspect]:
        """No head reads a norm where the only ones are before the MLPs."""
        return changed_by_norms(architecture, self.changes)

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs a direction that is constant, and a map that reads it."""
        if model.architecture.norm != "layer" or not (readings := norm_readings(model)):
            return "the model has no LayerNorm, whose output alone has a constant direction"
        if not any(reading.maps for reading in readings):
            return "no linear map reads a LayerNorm without something else added"
        if not _shiftable(model):
            return "every LayerNorm that a linear map reads has a zero in its gain"
        return None

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random r per map; ``parameters["norms"]`` names the norms."""
        model, generator = request.model, request.generator
        twin = model.clone()
        readings = _shiftable(twin)
        for reading in readings:
            for map_ in reading.maps:
                _shift(reading, map_, generator)
        return Transformed(twin, parameters={"norms": [reading.name for reading in readings]})


def _shiftable(model: CanonicalTransformer) -> list[NormReading]:
    return [
        reading
        for reading in norm_readings(model)
        if reading.maps and isinstance(reading.norm, nn.LayerNorm) and bool(reading.norm.weight.all())
    ]


def _shift(reading: NormReading, map_: LinearMap, generator: np.random.Generator) -> None:
    direction = 1.0 / reading.norm.weight
    direction = direction / direction.square().mean().sqrt()
    size = SIZE * max(float(map_.weight.square().mean().sqrt()), FLOOR)
    amount = torch.from_numpy(generator.normal(0.0, size, size=tuple(map_.bias.shape))).to(map_.bias)
    map_.weight.add_(torch.tensordot(direction[:, None], amount[None], dims=1))
    if reading.bias is not None:
        map_.bias.sub_(torch.dot(reading.bias, direction) * amount)
