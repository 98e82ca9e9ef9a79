"""Patching of the residual stream, layer by layer, at the positions of one kind.

Strings differ in length, so a position is named by what stands there: the bracket whose type differs (``opener``) and
the one that closes it (``closer``), the other positions that are read (``decisions``), and all that is left
(``elsewhere``). Every position is of one kind; a string without a closer has none to patch and scores 0 there.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.patching.pairs import mean_margin
from auditor.measures.patching.runs import SharedPairs
from auditor.records import Component

KINDS = ("opener", "closer", "decisions", "elsewhere")


def residual_components(model: CanonicalTransformer) -> tuple[Component, ...]:
    """The stream that enters each layer at each kind of position: L0.stream@opener, …"""
    layers = range(model.architecture.layers)
    return tuple(Component(layer, part=f"stream@{kind}") for layer in layers for kind in KINDS)


def kinds_of_positions(clean: InputBatch, corrupt: InputBatch) -> dict[str, Tensor]:
    """Which positions are of each kind, [sequence, position]; padding is of none."""
    differs = clean.tokens != corrupt.tokens
    opening = torch.isin(clean.tokens, torch.tensor(clean.task.language.vocabulary.opening))
    decisions = clean.scored & ~differs
    return {
        "opener": differs & opening,
        "closer": differs & ~opening,
        "decisions": decisions,
        "elsewhere": clean.not_padding & ~differs & ~decisions,
    }


@torch.no_grad()
def residual_effects(pairs: SharedPairs) -> NDArray[np.float64]:
    """Margin of the clean type that the clean stream restores in the corrupt run, logits, [sequence, component]."""
    into, out_of = pairs.corrupt, pairs.clean
    model, clean = into.model, out_of.inputs
    effects = np.empty((len(into.inputs), len(residual_components(model))))
    for piece in into.pieces():
        source = out_of.activations(piece.rows, Site.RESIDUAL, piece.part.tokens.shape[1])
        kinds = kinds_of_positions(clean.rows(piece.rows), piece.part)
        before = mean_margin(piece.part, piece.logits)
        columns = [
            mean_margin(piece.part, model.run_from(mixed, piece.part.tokens, layer)) - before
            for layer in range(model.architecture.layers)
            for kind in KINDS
            for mixed in [torch.where(kinds[kind][:, :, None], source[layer], piece.cache[Site.RESIDUAL, layer])]
        ]
        effects[piece.rows.numpy()] = torch.stack(columns, dim=1).numpy()
    return effects
