"""Shapley values of the heads."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from captum.attr import ShapleyValueSampling
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.attribution.double_sums import DoubleSums
from auditor.measures.attribution.method import PERTURBATIONS, Attributor, HeadAttribution
from auditor.measures.attribution.orders import is_exhaustive, joining_orders
from auditor.measures.attribution.presence import component_game, mean_activations, numbering
from auditor.measures.attribution.score import Explained
from auditor.measures.expectations import HEAD_SCORES
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence

DRAWS = 24
"""Orders played: all of them up to four heads."""


class HeadShapley(HeadAttribution):
    """Mean rise of the score as a head joins those before it, the absent ones putting out their mean z.

    Exact up to four heads (all 24 orders). Beyond, orders are drawn over heads as a fact of the function sorts them,
    so that another numbering of the heads draws the same orders.

    A head that is split, or a pair that cancels, makes another game with more players: the values of all heads change.
    """

    version = 1
    draws_at_random = True
    summary = "mean rise of the score as the head's z takes the place of its mean, over orders of all heads"
    higher_means = "the head contributes more, on average over which others are there"
    source = "Ghorbani & Zou 2020, arXiv 2002.09815; Castro et al. 2009; Captum ShapleyValueSampling"
    depends_on: ClassVar[Dependence] = {**HEAD_SCORES, Aspect.HEAD_COUNT: Expected.CHANGES}
    copies = PERTURBATIONS

    def attributor(self, model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator) -> Attributor:
        """Captum's sampling over who is present."""
        means = mean_activations(model, seen, Site.Z)
        heads = len(model.architecture.heads)
        orders = joining_orders(heads, DRAWS, generator)
        if not is_exhaustive(heads, DRAWS):
            orders = numbering(model, seen, Site.Z, means)[orders]

        def attribute(batch: Explained) -> Tensor:
            method = ShapleyValueSampling(component_game(batch, Site.Z, means))
            method.permutation_generator = lambda *_: orders.tolist()
            with DoubleSums():
                found: Tensor = method.attribute(
                    torch.ones(len(batch.row), heads, dtype=batch.model.dtype),
                    additional_forward_args=(batch.row,),
                    n_samples=len(orders),
                    perturbations_per_eval=PERTURBATIONS,
                )
            return found

        return attribute
