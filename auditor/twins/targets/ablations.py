"""Ablation: the edited runs of the methods, differentiable through both runs and the substitute."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.ablation.continuation import continuation
from auditor.measures.ablation.edits import edited_logits
from auditor.measures.ablation.effects import EFFECTS, EffectName
from auditor.measures.ablation.pairs import pair_effects
from auditor.measures.ablation.sweep import Reading
from auditor.measures.untouched import Piece
from auditor.twins.targets.surrogate import Components, Scores, by_layer, first_rows

EDITED_ROWS = 64
"""Edited sequences of one batch, about: shared by all components."""

FEWEST_ROWS = 16
"""Sequences on which every component is ablated, at least."""


def _zero(value: Tensor, _counted: Tensor) -> Tensor:
    return torch.zeros_like(value[:1, :1])


def _mean(value: Tensor, counted: Tensor) -> Tensor:
    return (value * counted).sum((0, 1), keepdim=True) / counted.sum()


def _mean_per_position(value: Tensor, counted: Tensor) -> Tensor:
    return (value * counted).sum(0, keepdim=True) / counted.sum(0, keepdim=True).clamp_min(1)


SUBSTITUTES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "zero": _zero,
    "mean": _mean,
    "mean_per_position": _mean_per_position,
}
"""(activation [batch, position, …], 1 where no padding is) → what takes its place, from this batch."""


def ablation(site: Site, substitute: str, effect: EffectName) -> Scores:
    """Mean effect on the outputs of a sequence when one component's output is replaced by its substitute."""
    reads, instead = EFFECTS[effect], SUBSTITUTES[substitute]

    def scores(model: CanonicalTransformer, piece: Piece, components: Components) -> Tensor:
        few = first_rows(piece, max(FEWEST_ROWS, EDITED_ROWS // len(components)))
        where = reads.outputs(model, few.part)
        run, reading = continuation(model, few, where), Reading.of(few.part, where, reads)
        found: dict[int, Tensor] = {}
        for layer in by_layer(components):
            columns = [column for column, one in enumerate(components) if one.layer == layer]
            units = torch.tensor([components[column].head or components[column].neuron or 0 for column in columns])
            value = piece.cache[site, layer]
            counted = piece.part.not_padding.to(value).view(*value.shape[:2], *[1] * (value.dim() - 2))
            logits = edited_logits(run, site, layer, units, instead(value, counted))
            found.update(zip(columns, reading.per_sequence(run.untouched, logits), strict=True))
        return torch.stack([found[column] for column in range(len(components))], dim=1)[where.any(1)]

    return scores


def head_pairs(model: CanonicalTransformer, piece: Piece, components: Components) -> Tensor:
    """What the mean ablation of two heads costs beyond both alone, [sequence, head, with_head]."""
    few = first_rows(piece, FEWEST_ROWS)
    reads = EFFECTS["kl"]
    where = reads.outputs(model, few.part)
    counted = piece.part.not_padding.to(piece.logits)[:, :, None, None]
    means = [_mean(piece.cache[Site.Z, layer], counted)[0, 0] for layer in range(model.architecture.layers)]
    found = pair_effects(model, few, Reading.of(few.part, where, reads), where, means, components)
    return found[where.any(1)]
