"""Shapley values of the heads."""

from __future__ import annotations

from typing import ClassVar

from auditor.canonical.sites import Site
from auditor.contracts import Request
from auditor.measures.attribution.method import HeadAttribution
from auditor.measures.attribution.presence import component_game, mean_activations, numbering
from auditor.measures.attribution.shapley import Players, Shapley
from auditor.measures.expectations import HEAD_SCORES
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence


class HeadShapley(HeadAttribution, Shapley):
    """Mean rise of the score as a head joins those before it, the absent ones putting out their mean z.

    Exact up to eight heads. Beyond, orders are drawn over heads as a fact of the function sorts them, so that another
    numbering of the heads draws the same orders.

    A head that is split, or a pair that cancels, makes another game with more players: the values of all heads change.
    """

    version = 2
    summary = "mean rise of the score as the head's z takes the place of its mean, over orders of all heads"
    higher_means = "the head contributes more, on average over which others are there"
    source = "Shapley 1953; Ghorbani & Zou 2020, arXiv 2002.09815; Castro et al. 2009; Captum ShapleyValueSampling"
    depends_on: ClassVar[Dependence] = {**HEAD_SCORES, Aspect.HEAD_COUNT: Expected.CHANGES}
    draws = 24

    def players(self, request: Request) -> Players:
        """The heads of all layers in flat order."""
        model, inputs = request.model, request.inputs
        means = mean_activations(model, inputs, Site.Z)
        return Players(
            count=sum(map(len, means)),
            game=lambda batch: component_game(batch, Site.Z, means),
            numbering=lambda: numbering(model, inputs, Site.Z, means),
        )
