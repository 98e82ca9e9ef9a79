"""Divergences between outputs, their means over a sequence, and what heads put out on average."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.records import Component


def kl_per_position(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p ‖ q) in nats over the last axis; [..., vocabulary] → [...]. Clamped at 0 against rounding."""
    return (log_p.exp() * (log_p - log_q)).sum(-1).clamp_min(0)


def mean_where(values: Tensor, where: Tensor) -> Tensor:
    """Mean of ``values`` [batch, position] over the True positions of each sequence → [batch]."""
    return (values * where).sum(1) / where.sum(1)


@torch.no_grad()
def mean_head_outputs(model: CanonicalTransformer, inputs: InputBatch) -> dict[Component, Tensor]:
    """Mean z of each head over all tokens but padding of the inputs, {head: [value_width]}."""
    heads = model.architecture.heads
    totals: dict[int, Tensor] = {}
    for _, part in inputs.batches():
        _, cache = run_with_cache(model, part.tokens, sites=(Site.Z,))
        for layer in range(model.architecture.layers):
            total = torch.einsum("bphv,bp->hv", cache[Site.Z, layer], part.not_padding.to(model.dtype))
            totals[layer] = totals.get(layer, torch.zeros_like(total)) + total
    positions = inputs.not_padding.sum()
    return {head: totals[head.layer][head.head or 0] / positions for head in heads}
