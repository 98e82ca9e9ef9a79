"""From "this component puts out that instead" to what its layer then writes."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.canonical.model import Attention
from auditor.canonical.sites import Site
from auditor.measures.ablation.continuation import Continuation

ATTENTION_SITES = (Site.Z, Site.ATTENTION_OUT)
"""Edits that the layer's MLP still reads."""


def edited_logits(run: Continuation, site: Site, layer: int, units: Tensor, value: Tensor) -> Tensor:
    """Logits [edit, output, vocabulary], one edit per entry of ``units`` [edit].

    ``value`` is what the layer's activation at ``site`` becomes, broadcastable to it; an edit takes from it only the
    entry of its own unit: a head of Z, a neuron of NEURON. ATTENTION_OUT and MLP_OUT are one unit each.
    """
    was = run.cache[site, layer]
    instead = run.needed(layer, value.to(was).expand_as(was))
    after = run.after_attention if site in ATTENTION_SITES else run.after_mlp
    if site in (Site.ATTENTION_OUT, Site.MLP_OUT):
        return after(layer, instead.unsqueeze(0))
    change = (instead - run.at(site, layer))[:, units]
    if site is Site.Z:
        write = torch.einsum("phv,hvm->hpm", change, head_writes(run.model.attentions[layer])[units])
        return after(layer, write.add_(run.at(Site.ATTENTION_OUT, layer)))
    mlp = run.model.block(layer).mlp
    directions = torch.empty(0) if mlp is None else mlp.W_out[units]
    write = torch.addcmul(run.at(Site.MLP_OUT, layer), change.T.unsqueeze(2), directions.unsqueeze(1))
    return after(layer, write)


def head_writes(attention: Attention) -> Tensor:
    """W_O [head, value_width, model]; without an output map each head writes its own slice of the features."""
    if attention.W_O is not None:
        return attention.W_O
    heads, width = attention.b_V.shape
    return torch.eye(heads * width, dtype=attention.b_V.dtype, device=attention.b_V.device).view(heads, width, -1)
