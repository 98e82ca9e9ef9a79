"""Attribution patching: activation patching of every head at once, to first order."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.effects import mean_where
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.patching.pairs import corrupted_pairs, type_margin


def approximate_head_effects(model: CanonicalTransformer, inputs: InputBatch) -> NDArray[np.float64]:
    """Σ over positions and d_v of (z_clean − z_corrupt) · ∂ margin / ∂z at the corrupt input, [sequence, head]."""
    pairs = corrupted_pairs(inputs)
    effects = np.empty((len(pairs.clean), len(model.architecture.heads)))
    for rows, clean in pairs.clean.unpadded():
        corrupt = pairs.corrupt.rows(rows)
        with torch.no_grad():
            caches = [run_with_cache(model, part.tokens, sites=(Site.Z,))[1] for part in (clean, corrupt)]
        columns = [
            (slope * (caches[0][Site.Z, layer] - caches[1][Site.Z, layer])).sum((1, 3))
            for layer, slope in enumerate(_slopes(model, corrupt))
        ]
        effects[rows.numpy()] = torch.cat(columns, dim=1).numpy()
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
        closing = torch.tensor(corrupt.task.language.vocabulary.closing)
        margin = type_margin(logits.flatten(0, 1), corrupt.stack_top_type.flatten().clamp_min(0), closing)
        return torch.autograd.grad(mean_where(margin.view(corrupt.tokens.shape), corrupt.scored).sum(), nudges)
