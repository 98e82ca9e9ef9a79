"""The constant part of what a map reads from a normed vector goes into the map's bias.

A LayerNorm gives n ⊙ g + c with Σ n = 0, so along u = 1/g its output is the constant c·u, and W → W + u rᵀ,
b → b − (c·u) r changes nothing. The convention is uᵀW = 0.
"""

from __future__ import annotations

import torch
from torch import nn

from auditor.canonical.model import CanonicalTransformer
from auditor.symmetries.norm_readers import norm_readings


def drop_null_directions(model: CanonicalTransformer) -> None:
    """uᵀW = 0 for every map that reads a LayerNorm without zeros in its gain."""
    for reading in norm_readings(model):
        if not isinstance(reading.norm, nn.LayerNorm) or not bool(reading.norm.weight.all()):
            continue
        direction = 1.0 / reading.norm.weight
        for map_ in reading.maps:
            r = -torch.tensordot(direction, map_.weight, dims=1) / direction.square().sum()
            map_.weight.add_(torch.tensordot(direction[:, None], r[None], dims=1))
            if reading.bias is not None:
                map_.bias.sub_(torch.dot(reading.bias, direction) * r)
