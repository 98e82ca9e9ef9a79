"""The attention pattern of a head, as it is."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.attention import AttentionMatrix
from auditor.measures.expectations import HEAD_READINGS
from auditor.measures.untouched import Piece
from auditor.records import Component
from auditor.records.theory import Dependence


class AttentionPattern(AttentionMatrix):
    """A = softmax(q kᵀ · scale), the matrices that people draw. Rows of padding queries are zero.

    Compared by the mean total variation of the rows that have a choice (two keys or more), and by the first
    sequences of the inputs only, to bound their size.
    """

    version = 1
    smallest_plan = "quick"
    summary = "the head's attention weights, query by key"
    unit = "probability"
    higher_means = "the query looks more at the key"
    source = "Wen et al. 2023, arXiv 2312.01429, section 4"
    depends_on: ClassVar[Dependence] = HEAD_READINGS
    axis = "head"

    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """All heads."""
        return model.architecture.heads

    def matrices(self, model: CanonicalTransformer, piece: Piece) -> Tensor:
        """A of each head, [batch, head, query, key]."""
        return torch.cat([piece.cache[Site.PATTERN, layer] for layer in range(model.architecture.layers)], dim=1)
