"""Rotary positions: queries and keys are turned by their position before they meet (Su et al. 2021, arXiv 2104.09864).

Features are taken in pairs. Pair p of a vector at position i is turned by the angle i · base^(−2p/width), so a score
depends on what stands where only through the distance between query and key. Features beyond ``width`` are not turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from auditor.canonical.architecture import Architecture, RotaryPairs


@dataclass(frozen=True, slots=True)
class Rotary:
    """Which features are turned, how fast, and which two make a pair.

    ``halves``: features p and p + width/2 (GPT-NeoX, Llama). ``adjacent``: features 2p and 2p + 1 (GPT-J, RoFormer).
    """

    width: int
    base: float
    pairs: RotaryPairs

    def planes(self) -> tuple[list[int], list[int]]:
        """The first and the second feature of every pair."""
        count = self.width // 2
        if self.pairs == "halves":
            return list(range(count)), list(range(count, self.width))
        return list(range(0, self.width, 2)), list(range(1, self.width, 2))

    def tables(self, length: int) -> tuple[Tensor, Tensor]:
        """cos and sin of the angles, float64 [position, pair]."""
        return _tables(length, self.width, self.base)

    def turned(self, x: Tensor, position: int | None = None) -> Tensor:
        """x [..., position, feature], each row turned by its position; the only row by ``position``, if it is given."""
        length = x.shape[-2] if position is None else position + 1
        cos, sin = (
            table.to(x)[slice(None) if position is None else slice(position, None)] for table in self.tables(length)
        )
        turned, rest = x[..., : self.width], x[..., self.width :]
        if self.pairs == "halves":
            first, second = turned.chunk(2, dim=-1)
            parts = [first * cos - second * sin, first * sin + second * cos]
            return torch.cat([*parts, rest], dim=-1)
        first, second = turned[..., 0::2], turned[..., 1::2]
        both = torch.stack([first * cos - second * sin, first * sin + second * cos], dim=-1).flatten(-2)
        return torch.cat([both, rest], dim=-1)


def rotary_of(architecture: Architecture) -> Rotary | None:
    """The rotary positions of an architecture, or None."""
    if architecture.rotary_width is None:
        return None
    return Rotary(architecture.rotary_width, architecture.rotary_base, architecture.rotary_pairs)


@cache
def _tables(length: int, width: int, base: float) -> tuple[Tensor, Tensor]:
    rate = np.power(base, -np.arange(0, width, 2) / width)
    angles = np.arange(length)[:, None] * rate[None, :]
    return torch.from_numpy(np.cos(angles)), torch.from_numpy(np.sin(angles))
