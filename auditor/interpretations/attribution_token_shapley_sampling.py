"""Shapley values of the tokens, sampled."""

from __future__ import annotations

import numpy as np

from auditor.contracts import Request
from auditor.measures.attribution.method import TokenAttribution
from auditor.measures.attribution.presence import token_game
from auditor.measures.attribution.shapley import Players, Shapley


class TokenShapleySampling(TokenAttribution, Shapley):
    """Mean rise of the score as a token joins those before it in a random order, the others being blank.

    The orders are drawn once for the longest input and cut down to shorter ones, so that no value depends on which
    sequences are run together.
    """

    version = 2
    summary = "mean rise of the score as the token takes the place of a blank one, over random orders of all tokens"
    higher_means = "the bracket contributes more"
    source = "Štrumbelj & Kononenko 2010, JMLR 11, section 3; Castro et al. 2009; Captum ShapleyValueSampling"
    draws = 16
    needs_blank = True

    def players(self, request: Request) -> Players:
        """The positions of the longest input."""
        positions = request.inputs.tokens.shape[1]
        return Players(positions, token_game, lambda: np.arange(positions))
