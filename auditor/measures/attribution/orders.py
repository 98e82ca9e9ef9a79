"""Orders in which players join a game, for Shapley values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Orders = NDArray[np.int64]


def joining_orders(players: int, draws: int, generator: np.random.Generator) -> Orders:
    """Random orders of all players, [order, player].

    They come in pairs of an order and its reverse, which cancels the part of the error that is linear in which
    players precede (Mitchell et al. 2022, arXiv 2104.12199, section 3.2).
    """
    half = np.stack([generator.permutation(players) for _ in range((draws + 1) // 2)])
    return np.stack([half, half[:, ::-1]], axis=1).reshape(-1, players)[:draws]


def among(orders: Orders, players: int) -> list[list[int]]:
    """The same orders with only the first ``players`` of the players."""
    return [order[order < players].tolist() for order in orders]
