"""Shapley values of the tokens, sampled."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from captum.attr import ShapleyValueSampling
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attribution.double_sums import DoubleSums
from auditor.measures.attribution.method import PERTURBATIONS, Attributor, TokenAttribution
from auditor.measures.attribution.orders import among, joining_orders
from auditor.measures.attribution.presence import token_game
from auditor.measures.attribution.score import Explained
from auditor.measures.expectations import WHOLE_SCORES
from auditor.records.theory import Dependence

DRAWS = 16
"""Orders played; each costs a forward pass per token."""


class TokenShapleySampling(TokenAttribution):
    """Mean rise of the score as a token joins those before it in a random order, the others being blank.

    The orders are drawn once for the longest input and cut down to shorter ones, so that no value depends on which
    sequences are run together.
    """

    version = 1
    draws_at_random = True
    summary = "mean rise of the score as the token takes the place of a blank one, over random orders of all tokens"
    higher_means = "the bracket contributes more"
    source = "Štrumbelj & Kononenko 2010, JMLR 11, section 3; Castro et al. 2009; Captum ShapleyValueSampling"
    depends_on: ClassVar[Dependence] = WHOLE_SCORES
    copies = PERTURBATIONS
    needs_blank = True

    def attributor(self, model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator) -> Attributor:
        """Captum's sampling in orders of our own drawing; its own draws from the global generator."""
        del model
        orders = joining_orders(seen.tokens.shape[1], DRAWS, generator)

        def attribute(batch: Explained) -> Tensor:
            method = ShapleyValueSampling(token_game(batch))
            method.permutation_generator = lambda features, _: among(orders, features)
            with DoubleSums():
                found: Tensor = method.attribute(
                    torch.ones(batch.tokens.shape, dtype=batch.model.dtype),
                    additional_forward_args=(batch.row,),
                    n_samples=len(orders),
                    perturbations_per_eval=PERTURBATIONS,
                )
            return found * batch.not_padding

        return attribute
