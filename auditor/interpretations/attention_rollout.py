"""Attention rollout: how much of each input position reaches each position, if attention were all that mixes them."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.attention import AttentionMatrix
from auditor.measures.expectations import WHOLE_SCORES
from auditor.measures.untouched import Piece
from auditor.records import Component, Expected
from auditor.records.theory import Aspect, Dependence


class AttentionRollout(AttentionMatrix):
    """Ã_l … Ã_0 with Ã = ½ (mean of the layer's heads) + ½ 1, the half standing for the residual path.

    Without a residual path Ã is the mean of the heads. One component per layer: the rollout up to its output. Rows of
    padding queries are zero. The mean counts heads, whatever they write: a head that is split counts twice.
    """

    version = 1
    summary = "attention from each position back to the inputs, multiplied through the layers"
    unit = "share of the input"
    higher_means = "the position takes more from the input token"
    source = "Abnar & Zuidema 2020, arXiv 2005.00928, section 3.1"
    depends_on: ClassVar[Dependence] = {**WHOLE_SCORES, Aspect.HEAD_COUNT: Expected.CHANGES}
    axis = "part"

    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """The stream after each layer."""
        return tuple(Component(layer, part="residual") for layer in range(model.architecture.layers))

    def matrices(self, model: CanonicalTransformer, piece: Piece) -> Tensor:
        """Ã_l … Ã_0 for each layer l, [batch, layer, query, key]."""
        identity = torch.eye(piece.part.tokens.shape[1], dtype=model.dtype)
        found, so_far = [], identity
        for layer in range(model.architecture.layers):
            mixing = piece.cache[Site.PATTERN, layer].mean(1)
            if model.architecture.attention_residual:
                mixing = 0.5 * mixing + 0.5 * identity
            so_far = mixing @ so_far
            found.append(so_far)
        return torch.stack(found, dim=1)
