"""Shapley values by sampling orders in which players join, in orders drawn from the request's generator.

Captum draws its orders from the global generator; here they come from the request's, so that another numbering of the
players or another batch plays the same ones.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from captum.attr import ShapleyValueSampling
from torch import Tensor

from auditor.contracts import Request
from auditor.measures.attribution.convergence import LARGEST_ERROR
from auditor.measures.attribution.double_sums import DoubleSums
from auditor.measures.attribution.method import PERTURBATIONS, Attributed, Attribution, by_batch
from auditor.measures.attribution.monte_carlo import error_of_mean
from auditor.measures.attribution.orders import Orders, among, is_exhaustive
from auditor.measures.attribution.presence import Game
from auditor.measures.attribution.score import Explained


class Shapley(Attribution):
    """Mean rise of the score as a player joins those before it, over ``draws`` orders of all players.

    Orders come in pairs of one and its reverse; the pairs are independent draws, from which the standard error follows.
    All orders, where they are at most ``draws``, have none. Scores whose error is as large as the smallest change that
    counts are undefined.
    """

    draws_at_random = True
    draws: ClassVar[int]

    @abstractmethod
    def players(self, request: Request) -> tuple[Orders, Callable[[Explained], Game]]:
        """The orders played, [order, player], and the game on a batch."""

    def attributions(self, request: Request) -> Attributed:
        """Mean over the orders."""
        orders, game = self.players(request)
        exact = is_exhaustive(orders.shape[1], self.draws)
        parts = [orders] if exact else [orders[first : first + 2] for first in range(0, len(orders), 2)]
        rises = np.stack([self._rise(request, game, part) for part in parts])
        values = np.average(rises, axis=0, weights=[len(part) for part in parts])
        draws = rises if self.by_position else rises.mean(axis=1)
        error = 0.0 if exact else error_of_mean(draws)
        too_few = error is not None and error > LARGEST_ERROR and not request.only_compared
        why = f"not converged: Monte Carlo error {error or 0.0:.1%} of the scores with {len(orders)} orders"
        return Attributed(values, error, dict.fromkeys(range(values.shape[1]), why) if too_few else {})

    def _rise(self, request: Request, game: Callable[[Explained], Game], orders: Orders) -> np.ndarray:
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
