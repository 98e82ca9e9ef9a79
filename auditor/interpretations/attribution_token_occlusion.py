"""Occlusion of the tokens by a sliding window."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from captum.attr import Occlusion
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attribution.double_sums import DoubleSums
from auditor.measures.attribution.method import PERTURBATIONS, Attributor, TokenAttribution
from auditor.measures.attribution.presence import token_game
from auditor.measures.attribution.score import Explained
from auditor.measures.expectations import WHOLE_SCORES
from auditor.records.theory import Dependence

WINDOW = 2
"""Positions hidden together: the least that can hide a matched pair."""


class TokenOcclusion(TokenAttribution):
    """Mean over the windows that cover a position of score − score with the window blank.

    Windows hang over both ends of the sequence, so that each position is covered by as many.
    """

    version = 1
    summary = "fall of the score when a window of tokens around the position is made blank, averaged over windows"
    higher_means = "hiding the token and a neighbour lowers the score more"
    source = "Zeiler & Fergus 2014, arXiv 1311.2901, section 4.2; Captum Occlusion"
    depends_on: ClassVar[Dependence] = WHOLE_SCORES
    copies = PERTURBATIONS
    needs_blank = True

    def attributor(self, model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator) -> Attributor:
        """Captum's sliding window over who is present, with room for it on both sides."""
        del model, seen, generator

        def attribute(batch: Explained) -> Tensor:
            play = token_game(batch)
            over = WINDOW - 1

            def score(presence: Tensor, row: Tensor) -> Tensor:
                return play(presence[:, over : presence.shape[1] - over], row)

            length = batch.tokens.shape[1]
            with DoubleSums():
                found: Tensor = Occlusion(score).attribute(
                    torch.ones(len(batch.tokens), length + 2 * over, dtype=batch.model.dtype),
                    sliding_window_shapes=(WINDOW,),
                    additional_forward_args=(batch.row,),
                    perturbations_per_eval=PERTURBATIONS,
                )
            return found[:, over : over + length] * batch.not_padding

        return attribute
