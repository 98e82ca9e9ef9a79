"""Direct logit attribution: what components write along the logit of the right closing bracket.

The target is that logit minus the mean of the other closing brackets', over the positions with an open bracket.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.closing import closing_contrast
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.circuits import output_maps
from auditor.measures.direct_paths import DirectPaths, direct_paths

Reader = Callable[[CanonicalTransformer, DirectPaths, int], Tensor]
"""From the paths and a layer to what its components write, [batch, position, component]."""


@torch.no_grad()
def direct_logits(model: CanonicalTransformer, inputs: InputBatch, reader: Reader, count: int) -> NDArray[np.float64]:
    """Mean direct contribution in logits, [sequence, component]. Sequences that leave no bracket open are left out."""
    is_open = inputs.not_padding & (inputs.depth > 0)
    seen = inputs.rows(is_open.any(1))
    values = np.empty((len(seen), count))
    contrast = closing_contrast(model)
    for rows, part in seen.batches():
        paths = direct_paths(model, part.tokens, contrast[part.stack_top_type.clamp_min(0)])
        where = (part.not_padding & (part.depth > 0))[:, :, None]
        written = torch.cat([reader(model, paths, layer) for layer in range(model.architecture.layers)], dim=2)
        values[rows.numpy()] = ((written * where).sum(1) / where.sum(1)).numpy()
    return values


def heads_write(model: CanonicalTransformer, paths: DirectPaths, layer: int) -> Tensor:
    """z_h W_O^h · r of each head, [batch, position, head]."""
    met = torch.einsum("hvm,bpm->bphv", output_maps(model.attentions[layer]), paths.attention[layer])
    return (paths.cache[Site.Z, layer] * met).sum(-1)


def neurons_write(model: CanonicalTransformer, paths: DirectPaths, layer: int) -> Tensor:
    """activation · W_out row · r of each neuron, [batch, position, neuron]."""
    met = paths.mlp[layer] @ model.mlps[layer].W_out.T
    return paths.cache[Site.NEURON, layer] * met


def mlp_writes(model: CanonicalTransformer, paths: DirectPaths, layer: int) -> Tensor:
    """MLP output, its bias included, · r, [batch, position, 1]."""
    del model
    return (paths.cache[Site.MLP_OUT, layer] * paths.mlp[layer]).sum(-1, keepdim=True)
