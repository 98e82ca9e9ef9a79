"""Embeddings of a token and its depth, as the code of Wen et al. 2023 (arXiv 2312.01429, section 3) computes them.

Their "minimal first layer" feeds a Transformer with what a first layer could compute: which bracket, at which depth.
The vector depends on token and depth alone, so it is a table [token, depth slot, model]; slot d is depth d and the
last slot is for every depth outside.

* ``sub_state_large``: bracket v at depth d is a single 1 in column E − 1 − 4d − (v − 4); columns 4 to 7 are cleared.
* ``sub_state_theory``: the token's one-hot stays; column E − 1 − d is 1.
* ``sub_state``, ``sub_state_easy``: the one-hot stays; with tan θ = depth / (D + 2 − depth), column E − 2 is cos θ and
  column E − 3 is sin θ. The depth is not raised for closing brackets.

Known limit: ``sub_state`` is defined beyond depth D + 1 by that formula, but here such depths share the outside slot.
"""

from __future__ import annotations

import math

from torch import Tensor

from auditor.canonical.architecture import DepthRule
from auditor.errors import ConfigurationError

KINDS = ("sub_state", "sub_state_easy", "sub_state_theory", "sub_state_large")
BRACKETS = (4, 5, 6, 7)
"""Token ids of two bracket types, written into these embeddings."""


def depth_rule(kind: str) -> DepthRule:
    """Whether a closing bracket has the depth before it is read, or the depth after it."""
    return "plain" if kind in ("sub_state", "sub_state_easy") else "closing_raised"


def keeps_last_column(kind: str) -> bool:
    """Whether the last column, which may hold a position, is left alone."""
    return kind in ("sub_state", "sub_state_easy")


def depth_table(tokens: Tensor, kind: str, *, depth_bound: int) -> Tensor:
    """[token, depth slot, model] from the table [token, model] that comes before the depth is written in.

    Raises:
        ConfigurationError: the columns for depth do not fit beside those for tokens.
    """
    width, depths = tokens.shape[1], depth_bound + 1
    columns = {"sub_state_large": len(BRACKETS) * depths, "sub_state_theory": depths}.get(kind, 3)
    if width - columns <= max(BRACKETS):
        raise ConfigurationError(
            f"{columns} columns for {kind} in an embedding of {width}", expected=f"at most {width - max(BRACKETS) - 1}"
        )
    if kind == "sub_state_large":
        return _one_of_bracket_and_depth(tokens, depths)
    if kind == "sub_state_theory":
        return _one_hot_depth(tokens, depths)
    return _angle(tokens, depth_bound)


def _one_of_bracket_and_depth(tokens: Tensor, depths: int) -> Tensor:
    table = tokens.unsqueeze(1).repeat(1, depths + 1, 1)
    width = table.shape[2]
    table[:, :, width - len(BRACKETS) * depths :] = 0.0
    table[:, :, list(BRACKETS)] = 0.0
    for depth in range(depths):
        for kind, token in enumerate(BRACKETS):
            table[token, depth, width - 1 - len(BRACKETS) * depth - kind] = 1.0
    return table


def _one_hot_depth(tokens: Tensor, depths: int) -> Tensor:
    table = tokens.unsqueeze(1).repeat(1, depths + 1, 1)
    width = table.shape[2]
    table[:, :, width - depths :] = 0.0
    for depth in range(depths):
        table[:, depth, width - 1 - depth] = 1.0
    return table


def _angle(tokens: Tensor, depth_bound: int) -> Tensor:
    slots = depth_bound + 3  # depths 0 … D + 1, where the formula is finite, and outside
    table = tokens.unsqueeze(1).repeat(1, slots, 1)
    table[:, :, -3:-1] = 0.0
    for depth in range(slots - 1):
        angle = math.atan2(depth, depth_bound + 2 - depth)
        table[:, depth, -2], table[:, depth, -3] = math.cos(angle), math.sin(angle)
    return table
