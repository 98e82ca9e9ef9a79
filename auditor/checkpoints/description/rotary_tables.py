"""Rotary positions of a checkpoint: the facts of the description, checked against the tables in the checkpoint.

TransformerLens saves cos and sin of every position and feature in each layer, as buffers.
"""

from __future__ import annotations

from typing import TypedDict, get_args

import torch
from torch import Tensor

from auditor.canonical.architecture import RotaryPairs
from auditor.canonical.rotary import Rotary
from auditor.checkpoints.description.reading import Description
from auditor.checkpoints.description.state_dict import StateDict
from auditor.errors import ConfigurationError

BASE = 10_000.0
"""The base of the first paper and of all libraries."""

AGREES = 5e-3
"""What rounding leaves of saved tables, also in half precision; another base or layout is off by more."""


class RotaryFacts(TypedDict):
    """Rotary positions as switches of the canonical architecture."""

    rotary_width: int
    rotary_base: float
    rotary_pairs: RotaryPairs


def rotary_facts(description: Description, *, head_width: int) -> RotaryFacts:
    """The facts of rotary positions in the description.

    Raises:
        ConfigurationError: no fact states which features make a pair, or more features are turned than there are.
    """
    width = description.whole("model.rotary_width") if description.has("model.rotary_width") else head_width
    if width % 2 or width > head_width:
        raise ConfigurationError(f"model.rotary_width = {width}", expected=f"an even number up to {head_width}")
    base = description.positive("model.rotary_base") if description.has("model.rotary_base") else BASE
    pairs = description.choice("model.rotary_pairs", get_args(RotaryPairs))
    return RotaryFacts(
        rotary_width=width,
        rotary_base=base,
        rotary_pairs=next(one for one in get_args(RotaryPairs) if one == pairs),
    )


def take_tables(state: StateDict, cos: str, sin: str, facts: RotaryFacts) -> int:
    """The number of positions in the saved tables of one layer, [position, feature], after a check of their values.

    Raises:
        FormatError: one of the two is missing, by name.
        ConfigurationError: the tables are not those of the description.
    """
    rotary = Rotary(facts["rotary_width"], facts["rotary_base"], facts["rotary_pairs"])
    length = state.axes(cos, 2)[0]
    for name, expected in zip((cos, sin), rotary.tables(length), strict=True):
        found = state.take(name, length, rotary.width, because="model.rotary_width")
        wanted = torch.zeros(length, rotary.width, dtype=torch.float64)
        for features in rotary.planes():
            wanted[:, features] = expected
        if not float((found.double() - wanted).abs().max()) <= AGREES:
            raise ConfigurationError(
                f"tensor {name!r} is not the table of rotary_base = {rotary.base:g}, rotary_pairs = {rotary.pairs!r}",
                expected="the base and the pairs that the checkpoint was trained with, without any rescaling",
            )
    return length


def pairs_of(table: Tensor) -> RotaryPairs | None:
    """Which features of a saved table [position, feature] are alike; None where the one pair does not show it."""
    if table.dim() != 2 or table.shape[1] < 4 or table.shape[1] % 2:
        return None
    half = table.shape[1] // 2
    if torch.equal(table[:, :half], table[:, half:]):
        return "halves"
    return "adjacent" if torch.equal(table[:, 0::2], table[:, 1::2]) else None
