"""Attention: what is read off patterns is differentiable as it is."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.attention import AttentionMatrix, RowReading, Rows
from auditor.measures.untouched import Piece
from auditor.twins.targets.surrogate import Components, Scores, by_layer

SMALLEST_WEIGHT = 1e-9
"""Attention weights below count as this: the slope of an entropy has no end at 0."""


def row_reading(method: RowReading) -> Scores:
    """A number per attention row, mean or sum over the queries of a sequence that the method chooses."""

    def scores(model: CanonicalTransformer, piece: Piece, components: Components) -> Tensor:
        part = piece.part
        length = part.tokens.shape[1]
        allowed = ~model.blocked(part.tokens).view(-1, 1, length, length)
        where = method.queries(part)
        found: dict[int, Tensor] = {}
        for layer in by_layer(components):
            rows = Rows(piece.cache[Site.PATTERN, layer].clamp_min(SMALLEST_WEIGHT), allowed, part)
            total = (method.read(rows) * where[:, None]).sum(2)
            found[layer] = total if method.is_sum else total / where.sum(1).clamp_min(1)[:, None]
        columns = [found[one.layer][:, one.head or 0] for one in components]
        return torch.stack(columns, dim=1)[where.any(1)]

    return scores


def patterns(_model: CanonicalTransformer, piece: Piece, components: Components) -> Tensor:
    """The attention of heads, [sequence, head, query, key]; 0 in rows of padding."""
    columns = [piece.cache[Site.PATTERN, one.layer][:, one.head or 0] for one in components]
    return torch.stack(columns, dim=1) * piece.part.not_padding[:, None, :, None]


def matrices(method: AttentionMatrix) -> Scores:
    """Matrices made of the patterns of several heads or layers."""

    def scores(model: CanonicalTransformer, piece: Piece, components: Components) -> Tensor:
        known = method.components(model)
        found = method.matrices(model, piece)[:, [known.index(one) for one in components]]
        return found * piece.part.not_padding[:, None, :, None]

    return scores
