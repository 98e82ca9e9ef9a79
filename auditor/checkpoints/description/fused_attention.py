"""Attention with queries, keys and values in one matrix, the heads side by side.

Given input axis first: [model, 3 · head · width], cut in this order: query, key, value; then head by head.
"""

from __future__ import annotations

from torch import Tensor

from auditor.errors import ConfigurationError


def head_width(model_width: int, heads: int, *, named: str) -> int:
    """Width of one head. ``named`` is the name of the fact that gives the number of heads.

    Raises:
        ConfigurationError: the heads do not share the width evenly.
    """
    if model_width % heads:
        raise ConfigurationError(f"{named} = {heads} for a model of width {model_width}", expected="a divisor")
    return model_width // heads


def split_fused(weight: Tensor, bias: Tensor, *, heads: int, scale_queries: float = 1.0) -> dict[str, Tensor]:
    """W_Q, W_K, W_V [model, head, width] and their biases [head, width].

    ``scale_queries`` is a factor of the scores of this layer only; it is put into the queries.
    """
    model, width = weight.shape[0], weight.shape[1] // 3 // heads
    tables: dict[str, Tensor] = {}
    for letter, part, shift in zip("QKV", weight.chunk(3, dim=1), bias.chunk(3), strict=True):
        factor = scale_queries if letter == "Q" else 1.0
        tables[f"W_{letter}"] = part.reshape(model, heads, width) * factor
        tables[f"b_{letter}"] = shift.reshape(heads, width) * factor
    return tables
