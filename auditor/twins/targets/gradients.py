"""Attribution by gradients: differentiated once more, so that a twin can be trained against them."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.behaviour.effects import mean_where
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.attribution.score import Explained, explained, log_odds
from auditor.measures.untouched import Piece
from auditor.twins.targets.quadrature import POINTS
from auditor.twins.targets.surrogate import Components, Scores, by_layer, first_rows

PATH_ROWS = 12
"""Sequences of a batch along whose paths is integrated."""


def gradient_x_activation(site: Site) -> Scores:
    """Σ over positions and features of a · ∂score/∂a at a site, per head or neuron."""

    def scores(model: CanonicalTransformer, piece: Piece, components: Components) -> Tensor:
        batch, layers = explained(model, piece.part), by_layer(components)
        values = [piece.cache[site, layer] for layer in layers]
        slopes = _slopes(_score(batch, piece.logits), values)
        found = {layer: _by_unit(a * s) for layer, a, s in zip(layers, values, slopes, strict=True)}
        return _columns(found, components)[_has_score(batch)]

    return scores


def head_path_integrals(model: CanonicalTransformer, piece: Piece, components: Components) -> Tensor:
    """Σ over positions and d_v of (z − z₀) ∫ ∂score/∂z along the straight path, z₀ being that of the blank input."""
    few = first_rows(piece, PATH_ROWS)
    batch = explained(model, few.part)
    blank: dict[int, Tensor] = {}

    def keep(site: Site, layer: int, value: Tensor) -> Tensor:
        if site is Site.Z:
            blank[layer] = value
        return value

    batch.of_tokens(batch.blank_tokens, batch.row, keep)
    found: dict[int, Tensor] = {}
    for layer in by_layer(components):
        block, entering = model.block(layer), few.cache[Site.RESIDUAL, layer]
        start = blank[layer]
        step = few.cache[Site.Z, layer] - start
        slope = torch.zeros_like(step)
        for place, weight in POINTS:
            z = start + place * step
            x = block.mlp_half(block.add_attention(entering, block.attention.write(z)))
            slope = slope + weight * _slopes(batch.of_residual(x, batch.row, layer + 1), [z])[0]
        found[layer] = _by_unit(step * slope)
    return _columns(found, components)[_has_score(batch)]


def token_gradients(*, length_only: bool) -> Scores:
    """x · ∂score/∂x per position, or ‖∂score/∂x‖₂: [sequence, 1, position]."""

    def scores(model: CanonicalTransformer, piece: Piece, _components: Components) -> Tensor:
        batch = explained(model, piece.part)
        vectors = batch.vectors.requires_grad_()
        slope = _slopes(batch.of_vectors(vectors, batch.row), [vectors])[0]
        found = slope.square().sum(-1).clamp_min(1e-20).sqrt() if length_only else (vectors.detach() * slope).sum(-1)
        return (found * batch.not_padding)[_has_score(batch), None]

    return scores


def token_path_integrals(*, from_zero: bool) -> Scores:
    """(x − x₀) ∫ ∂score/∂x per position, from the blank input or from zero: [sequence, 1, position]."""

    def scores(model: CanonicalTransformer, piece: Piece, _components: Components) -> Tensor:
        batch = explained(model, first_rows(piece, PATH_ROWS).part)
        vectors = batch.vectors
        zero = torch.where(batch.not_padding[:, :, None], 0.0, vectors)
        start = zero if from_zero else batch.blank_vectors
        step, found = vectors - start, torch.zeros(())
        for place, weight in POINTS:
            point = (start + place * step).requires_grad_()
            found = found + weight * (step * _slopes(batch.of_vectors(point, batch.row), [point])[0]).sum(-1)
        return (found * batch.not_padding)[_has_score(batch), None]

    return scores


def _score(batch: Explained, logits: Tensor) -> Tensor:
    """The number that attributions explain, read off a pass that was made already, [sequence]."""
    if batch.model.architecture.is_classifier:
        return log_odds(logits, batch.answer)
    return mean_where(logits.log_softmax(-1).gather(2, batch.answer[:, :, None]).squeeze(2), batch.where)


def _slopes(score: Tensor, at: list[Tensor]) -> tuple[Tensor, ...]:
    """∂score/∂at, differentiable again; a sequence without a score has none."""
    return torch.autograd.grad(score.nan_to_num().sum(), at, create_graph=True)


def _has_score(batch: Explained) -> Tensor:
    if batch.model.architecture.is_classifier:
        return torch.ones(len(batch.tokens), dtype=torch.bool)
    return batch.where.any(1)


def _by_unit(products: Tensor) -> Tensor:
    """[batch, position, unit, …] → [batch, unit]."""
    return products.sum(1).flatten(2).sum(2) if products.dim() > 3 else products.sum(1)


def _columns(found: dict[int, Tensor], components: Components) -> Tensor:
    return torch.stack([found[one.layer][:, one.head or one.neuron or 0] for one in components], dim=1)
