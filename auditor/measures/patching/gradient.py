"""Attribution patching: activation patching of every head at once, to first order."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.patching.pairs import mean_margin
from auditor.measures.patching.runs import SharedPairs


def approximate_head_effects(pairs: SharedPairs) -> NDArray[np.float64]:
    """Σ over positions and d_v of (z_clean − z_corrupt) · ∂ margin / ∂z at the corrupt input, [sequence, head]."""
    model = pairs.corrupt.model
    effects = np.empty((len(pairs.corrupt.inputs), len(model.architecture.heads)))
    for piece in pairs.corrupt.pieces():
        clean = pairs.clean.activations(piece.rows, Site.Z, piece.part.tokens.shape[1])
        columns = [
            (slope * (clean[layer] - piece.cache[Site.Z, layer])).sum((1, 3))
            for layer, slope in enumerate(_slopes(model, piece.part))
        ]
        effects[piece.rows.numpy()] = torch.cat(columns, dim=1).numpy()
    return effects


def _slopes(model: CanonicalTransformer, corrupt: InputBatch) -> tuple[Tensor, ...]:
    """∂ margin / ∂z per layer, [batch, position, head, value_width]; later layers answer to changes of earlier ones."""
    nudges: list[Tensor] = []

    def hook(site: Site, _layer: int, value: Tensor) -> Tensor:
        if site is not Site.Z:
            return value
        nudges.append(torch.zeros_like(value, requires_grad=True))
        return value + nudges[-1]

    with torch.enable_grad():
        logits = model(corrupt.tokens, hook)
        return torch.autograd.grad(mean_margin(corrupt, logits).sum(), nudges)
