"""Shapley values of the heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from auditor.canonical.sites import Site
from auditor.contracts import Request
from auditor.measures.attribution.method import HeadAttribution
from auditor.measures.attribution.orders import Orders, is_exhaustive, joining_orders
from auditor.measures.attribution.presence import Game, component_game, mean_activations, numbering
from auditor.measures.attribution.score import Explained
from auditor.measures.attribution.shapley import Shapley
from auditor.measures.expectations import HEAD_SCORES
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence


class HeadShapley(HeadAttribution, Shapley):
    """Mean rise of the score as a head joins those before it, the absent ones putting out their mean z.

    Exact up to four heads (all 24 orders). Beyond, orders are drawn over heads as a fact of the function sorts them,
    so that another numbering of the heads draws the same orders.

    A head that is split, or a pair that cancels, makes another game with more players: the values of all heads change.
    """

    version = 1
    summary = "mean rise of the score as the head's z takes the place of its mean, over orders of all heads"
    higher_means = "the head contributes more, on average over which others are there"
    source = "Ghorbani & Zou 2020, arXiv 2002.09815; Castro et al. 2009; Captum ShapleyValueSampling"
    depends_on: ClassVar[Dependence] = {**HEAD_SCORES, Aspect.HEAD_COUNT: Expected.CHANGES}
    draws = 24

    def players(self, request: Request) -> tuple[Orders, Callable[[Explained], Game]]:
        """The heads of all layers in flat order."""
        means = mean_activations(request.model, request.inputs, Site.Z)
        orders = joining_orders(sum(map(len, means)), self.draws, request.generator)
        if not is_exhaustive(orders.shape[1], self.draws):
            orders = numbering(request.model, request.inputs, Site.Z, means)[orders]
        return orders, lambda batch: component_game(batch, Site.Z, means)
