"""Orders in which players join a game, for Shapley values."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

Orders = NDArray[np.int64]


def is_exhaustive(players: int, draws: int) -> bool:
    """Whether all orders are few enough to play each of them."""
    return players <= draws and math.factorial(players) <= draws


def joining_orders(players: int, draws: int, generator: np.random.Generator) -> Orders:
    """All orders where they are at most ``draws``, else ``draws`` random ones, [order, player].

    Random ones come in pairs of an order and its reverse, which cancels the part of the error that is linear in who
    came before (Mitchell et al. 2022, arXiv 2104.12199, section 3.2).
    """
    if is_exhaustive(players, draws):
        return np.asarray(list(itertools.permutations(range(players))), dtype=np.int64)
    half = np.stack([generator.permutation(players) for _ in range((draws + 1) // 2)])
    return np.stack([half, half[:, ::-1]], axis=1).reshape(-1, players)[:draws]


def among(orders: Orders, players: int) -> list[list[int]]:
    """The same orders with only the first ``players`` of the players."""
    return [order[order < players].tolist() for order in orders]
