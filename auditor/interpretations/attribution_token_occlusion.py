"""Occlusion of the tokens by a sliding window."""

from __future__ import annotations

import torch
from captum.attr import Occlusion
from torch import Tensor

from auditor.measures.attribution.double_sums import DoubleSums
from auditor.measures.attribution.method import PERTURBATIONS, ByBatch, TokenAttribution
from auditor.measures.attribution.presence import token_game
from auditor.measures.attribution.score import Explained

WINDOW = 2
"""Positions hidden together: the least that can hide a matched pair."""


class TokenOcclusion(TokenAttribution, ByBatch):
    """Mean over the windows that cover a position of score − score with the window blank.

    Windows hang over both ends of the sequence, so that each position is covered by as many.
    """

    version = 1
    summary = "fall of the score when a window of tokens around the position is made blank, averaged over windows"
    higher_means = "hiding the token and a neighbour lowers the score more"
    source = "Zeiler & Fergus 2014, arXiv 1311.2901, section 4.2; Captum Occlusion"
    copies = PERTURBATIONS
    needs_blank = True

    def attribute(self, batch: Explained) -> Tensor:
        """Captum's sliding window over the presence of tokens, padded on both sides for the window."""
        play, over, length = token_game(batch), WINDOW - 1, batch.tokens.shape[1]
        with DoubleSums():
            found: Tensor = Occlusion(lambda presence, row: play(presence[:, over : over + length], row)).attribute(
                torch.ones(len(batch.tokens), length + 2 * over, dtype=batch.model.dtype),
                sliding_window_shapes=(WINDOW,),
                additional_forward_args=(batch.row,),
                perturbations_per_eval=PERTURBATIONS,
            )
        return found[:, over : over + length] * batch.not_padding
