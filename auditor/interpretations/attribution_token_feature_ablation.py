"""Ablation of the tokens, one at a time."""

from __future__ import annotations

import torch
from captum.attr import FeatureAblation
from torch import Tensor

from auditor.measures.attribution.method import PERTURBATIONS, ByBatch, TokenAttribution
from auditor.measures.attribution.presence import token_game
from auditor.measures.attribution.score import Explained


class TokenFeatureAblation(TokenAttribution, ByBatch):
    """score − score with the vector of one token replaced by the blank token's."""

    version = 1
    summary = "fall of the score when one bracket is replaced by MASK (or PAD)"
    higher_means = "the score needs the bracket more"
    source = "Li et al. 2016, arXiv 1612.08220, section 3; Captum FeatureAblation"
    copies = PERTURBATIONS
    needs_blank = True

    def attribute(self, batch: Explained) -> Tensor:
        """Captum's ablation of the presence of tokens."""
        found: Tensor = FeatureAblation(token_game(batch)).attribute(
            torch.ones(batch.tokens.shape, dtype=batch.model.dtype),
            additional_forward_args=(batch.row,),
            perturbations_per_eval=PERTURBATIONS,
        )
        return found * batch.not_padding
