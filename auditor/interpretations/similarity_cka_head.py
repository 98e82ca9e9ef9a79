"""Similarity of what corresponding heads of two models write, by linear CKA."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.ablation.edits import head_writes
from auditor.measures.expectations import HEAD_READINGS, RAW_STREAM
from auditor.measures.representations import Representations
from auditor.measures.untouched import Piece
from auditor.records import Component
from auditor.records.theory import Dependence


class HeadCka(Representations):
    """z W_O of each head, compared between corresponding heads of two models by 1 − linear CKA over all tokens.

    Blind to rotations and to scale: a head that is split in two is as like the original as before.
    """

    version = 1
    summary = "what a head writes, compared between models by 1 − linear CKA (0 same up to rotation and scale)"
    source = "Kornblith et al. 2019, arXiv 1905.00414, equation 4"
    distance = "cka"
    axis = "head"
    depends_on: ClassVar[Dependence] = {**RAW_STREAM, **HEAD_READINGS}

    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """All heads."""
        return model.architecture.heads

    def activations(self, model: CanonicalTransformer, piece: Piece) -> Tensor:
        """[batch, head, position, model]."""
        writes = [
            torch.einsum("bphv,hvm->bhpm", piece.cache[Site.Z, layer], head_writes(attention))
            for layer, attention in enumerate(model.attentions)
        ]
        return torch.cat(writes, 1)
