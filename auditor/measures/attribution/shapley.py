"""Shapley values of a game: exact over all coalitions of few players, sampled over joining orders of many.

Captum draws its orders from the global generator; here they come from the request's, so that another numbering of the
players or another batch plays the same ones.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from captum.attr import ShapleyValueSampling
from numpy.typing import NDArray
from torch import Tensor

from auditor.contracts import Request
from auditor.measures.attribution.convergence import LARGEST_ERROR
from auditor.measures.attribution.double_sums import DoubleSums
from auditor.measures.attribution.method import PERTURBATIONS, Attributed, Attribution, by_batch
from auditor.measures.attribution.monte_carlo import error_of_mean
from auditor.measures.attribution.orders import Orders, among, joining_orders
from auditor.measures.attribution.presence import Game
from auditor.measures.attribution.score import Explained

EXACT_PLAYERS: Final = 8
"""Players whose 2⁸ = 256 coalitions cost no more than the sampled orders of a few more players."""


@dataclass(frozen=True)
class Players:
    """Who plays: how many, the game on a batch, and a numbering [player] that is a fact of the function."""

    count: int
    game: Callable[[Explained], Game]
    numbering: Callable[[], NDArray[np.int64]]


class Shapley(Attribution):
    """Mean rise of the score as a player joins those before it, over all orders of all players.

    Up to ``EXACT_PLAYERS`` players: exact. More: ``draws`` random orders, in pairs of one and its reverse; the pairs
    are independent draws, from which the standard error follows. Scores whose error is as large as the smallest change
    that counts are undefined.
    """

    draws_at_random = True
    draws: ClassVar[int]

    @abstractmethod
    def players(self, request: Request) -> Players:
        """The players of this model on these inputs."""

    def attributions(self, request: Request) -> Attributed:
        """Mean over the orders."""
        players = self.players(request)
        if players.count <= EXACT_PLAYERS:
            return Attributed(self._exact(request, players), 0.0)
        orders = players.numbering()[joining_orders(players.count, self.draws, request.generator)]
        pairs = [orders[first : first + 2] for first in range(0, len(orders), 2)]
        rises = np.stack([self._rise(request, players.game, pair) for pair in pairs])
        values = np.average(rises, axis=0, weights=[len(pair) for pair in pairs])
        error = error_of_mean(rises if self.by_position else rises.mean(axis=1))
        too_few = error is not None and error > LARGEST_ERROR and not request.only_compared
        why = f"not converged: Monte Carlo error {error or 0.0:.1%} of the scores with {len(orders)} orders"
        return Attributed(values, error, dict.fromkeys(range(values.shape[1]), why) if too_few else {})

    def _exact(self, request: Request, players: Players) -> NDArray[np.float64]:
        def attribute(batch: Explained) -> Tensor:
            count = batch.tokens.shape[1] if self.by_position else players.count
            play, rows = players.game(batch), batch.row
            present = coalitions(count)
            with torch.no_grad():
                worth = [
                    play(part.to(batch.model.dtype).repeat(len(rows), 1), rows.repeat_interleave(len(part)))
                    .view(len(rows), -1)
                    .double()
                    for part in torch.split(present, PERTURBATIONS)
                ]
            found = torch.cat(worth, dim=1) @ coalition_weights(present)
            return found * batch.not_padding if self.by_position else found

        return by_batch(request, attribute, copies=PERTURBATIONS)

    def _rise(self, request: Request, game: Callable[[Explained], Game], orders: Orders) -> NDArray[np.float64]:
        def attribute(batch: Explained) -> Tensor:
            players = batch.tokens.shape[1] if self.by_position else orders.shape[1]
            method = ShapleyValueSampling(game(batch))
            method.permutation_generator = lambda features, _: among(orders, features)
            with DoubleSums():
                found: Tensor = method.attribute(
                    torch.ones(len(batch.row), players, dtype=batch.model.dtype),
                    additional_forward_args=(batch.row,),
                    n_samples=len(orders),
                    perturbations_per_eval=PERTURBATIONS,
                )
            return found * batch.not_padding if self.by_position else found

        return by_batch(request, attribute, copies=PERTURBATIONS)


def coalitions(players: int) -> Tensor:
    """All sets of players, [2^players, player]: 1 where a player takes part."""
    return (torch.arange(2**players)[:, None] >> torch.arange(players)) & 1


def coalition_weights(present: Tensor) -> Tensor:
    """Weight of each coalition's worth in each player's value, [coalition, player].

    φᵢ = Σ over S without i of |S|! (n − |S| − 1)! / n! · (v(S ∪ {i}) − v(S)) (Shapley 1953, section 3).
    """
    players = present.shape[1]
    joining = torch.tensor(
        [
            math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
            for size in range(players)
        ],
        dtype=torch.float64,
    )
    size = present.sum(1, keepdim=True)
    with_player, without = joining[(size - 1).clamp_min(0)], joining[size.clamp_max(players - 1)]
    return torch.where(present.bool(), with_player, -without)
