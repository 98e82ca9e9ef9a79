"""The sites at which a forward pass can be read and edited."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from torch import Tensor


class Site(StrEnum):
    """Named tensors of a forward pass, with their axes."""

    EMBEDDING = "embedding"  # [batch, position, model], after positions and their norm
    RESIDUAL = "residual"  # [batch, position, model], entering a layer
    PATTERN = "pattern"  # [batch, head, query, key], after softmax
    Z = "z"  # [batch, position, head, value_width], each head's mixed values before the output map
    ATTENTION_OUT = "attention_out"  # [batch, position, model], what attention writes
    NEURON = "neuron"  # [batch, position, neuron], after the activation function
    MLP_OUT = "mlp_out"  # [batch, position, model], what the MLP writes


Hook = Callable[[Site, int, Tensor], Tensor]
"""Called as ``hook(site, layer, tensor)`` at every site; returns the tensor to go on with. Must not edit in place."""
