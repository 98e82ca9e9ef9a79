"""Random starting weights for a canonical model, whatever its switches.

With n the number of inputs that a map sums over, a weight is drawn from N(0, 1/n): maps keep the size of what they
read (LeCun et al. 1998, "Efficient BackProp", section 4.6). The first MLP map has variance 2/n, for the half that a
rectifier drops (He et al. 2015, arXiv 1502.01852). Maps that write into a residual stream are divided by √(number
of writers), so that its size does not grow with depth (Radford et al. 2019, GPT-2, section 2.3).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import Attention, CanonicalTransformer, Mlp

POSITION_SCALE = 0.3
"""Size of a position vector beside a token vector of size 1 per feature: visible, and small beside the token."""

BIAS_SCALE = 0.02
"""Biases start small but not at zero, so that no symmetry of the weights starts as a fixed point."""


def initialise(model: CanonicalTransformer, generator: torch.Generator) -> CanonicalTransformer:
    """The same model with random weights, filled in place and returned.

    Norms get gain 1 and bias 0. An embedding that is not trained becomes rows of the identity, or random unit rows
    where the table has more rows than the width has features. Such a table is 0 in the feature of a scalar position
    column.
    """
    architecture = model.architecture
    with torch.no_grad():
        _embeddings(model, generator)
        for module in model.modules():
            if isinstance(module, Attention):
                _attention(module, architecture, generator)
            elif isinstance(module, Mlp):
                _mlp(module, architecture, generator)
            elif isinstance(module, nn.LayerNorm | nn.RMSNorm):
                _norm(module)
        if model.W_U is not None:
            _normal(model.W_U, 1.0 / math.sqrt(architecture.model_width), generator)
        _normal(model.b_U, BIAS_SCALE, generator)
    return model


def _embeddings(model: CanonicalTransformer, generator: torch.Generator) -> None:
    architecture = model.architecture
    if architecture.embedding_trained:
        tied = architecture.tied_unembedding  # then the table is also the map to the logits
        _normal(model.W_E, 1.0 / math.sqrt(architecture.model_width) if tied else 1.0, generator)
    else:
        features = architecture.model_width - (architecture.positions == "scalar")
        rows = model.W_E.flatten(0, -2)
        rows.zero_()
        rows[:, :features] = _fixed_rows(len(rows), features, generator).to(rows)
    if architecture.positions == "learned":
        _normal(model.W_pos, POSITION_SCALE * (model.W_E.std().item() or 1.0), generator)


def _fixed_rows(count: int, features: int, generator: torch.Generator) -> Tensor:
    if count <= features:
        return torch.eye(count, features)
    return torch.nn.functional.normalize(torch.randn(count, features, generator=generator), dim=1)


def _attention(attention: Attention, architecture: Architecture, generator: torch.Generator) -> None:
    read = 1.0 / math.sqrt(architecture.model_width)
    for weight in (attention.W_Q, attention.W_K, attention.W_V):
        _normal(weight, read, generator)
    for bias in (attention.b_Q, attention.b_K, attention.b_V):
        _normal(bias, BIAS_SCALE, generator)
    if attention.W_O is not None and attention.b_O is not None:
        heads, value_width, _ = attention.W_O.shape
        shared = _writers(architecture) if architecture.attention_residual else 1
        _normal(attention.W_O, 1.0 / math.sqrt(heads * value_width * shared), generator)
        _normal(attention.b_O, BIAS_SCALE, generator)


def _mlp(mlp: Mlp, architecture: Architecture, generator: torch.Generator) -> None:
    width, neurons = mlp.W_in.shape
    shared = _writers(architecture) if architecture.mlp_residual else 1
    _normal(mlp.W_in, math.sqrt(2.0 / width), generator)
    _normal(mlp.b_in, BIAS_SCALE, generator)
    _normal(mlp.W_out, 1.0 / math.sqrt(neurons * shared), generator)
    _normal(mlp.b_out, BIAS_SCALE, generator)


def _writers(architecture: Architecture) -> int:
    """How many maps add to the residual stream."""
    halves = architecture.attention_residual + (architecture.mlp == "two_layer" and architecture.mlp_residual)
    return max(1, halves * architecture.layers)


def _norm(norm: nn.Module) -> None:
    for name, parameter in norm.named_parameters():
        parameter.fill_(1.0 if name == "weight" else 0.0)


def _normal(parameter: Tensor, scale: float, generator: torch.Generator) -> None:
    """Drawn in float32 on the processor, so that one seed gives one model in every precision and on every device."""
    parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
