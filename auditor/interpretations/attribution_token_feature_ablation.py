"""Ablation of the tokens, one at a time."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from captum.attr import FeatureAblation
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attribution.method import PERTURBATIONS, Attributor, TokenAttribution
from auditor.measures.attribution.presence import token_game
from auditor.measures.attribution.score import Explained
from auditor.measures.expectations import WHOLE_SCORES
from auditor.records.theory import Dependence


class TokenFeatureAblation(TokenAttribution):
    """score − score with the vector of one token replaced by the blank token's."""

    version = 1
    summary = "fall of the score when one bracket is replaced by MASK (or PAD)"
    higher_means = "the score needs the bracket more"
    source = "Li et al. 2016, arXiv 1612.08220, section 3; Captum FeatureAblation"
    depends_on: ClassVar[Dependence] = WHOLE_SCORES
    copies = PERTURBATIONS
    needs_blank = True

    def attributor(self, model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator) -> Attributor:
        """Captum's ablation of who is present."""
        del model, seen, generator

        def attribute(batch: Explained) -> Tensor:
            found: Tensor = FeatureAblation(token_game(batch)).attribute(
                torch.ones(batch.tokens.shape, dtype=batch.model.dtype),
                additional_forward_args=(batch.row,),
                perturbations_per_eval=PERTURBATIONS,
            )
            return found * batch.not_padding

        return attribute
