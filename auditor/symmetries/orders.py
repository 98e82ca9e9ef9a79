"""The orders of heads and neurons: their outputs are summed, so any other order gives the same function."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.canonical.model import Attention, Mlp


@torch.no_grad()
def reorder_heads(attention: Attention, order: Tensor) -> None:
    """Put head ``order[i]`` in place i; the layer needs an output map."""
    for weight in (attention.W_Q, attention.W_K, attention.W_V):
        weight.copy_(weight[:, order].clone())
    for table in (attention.b_Q, attention.b_K, attention.b_V, attention.output[0]):
        table.copy_(table[order].clone())


@torch.no_grad()
def reorder_neurons(mlp: Mlp, order: Tensor) -> None:
    """Put neuron ``order[i]`` in place i."""
    mlp.W_in.copy_(mlp.W_in[:, order].clone())
    mlp.b_in.copy_(mlp.b_in[order].clone())
    mlp.W_out.copy_(mlp.W_out[order].clone())
