"""Attention-edge knock-out: a head may not look from its queries at one key each, and looks elsewhere instead.

The weight on the key is taken away and the rest of the row is scaled back to 1, which is what a score of −∞ before the
softmax gives. Rows still sum to 1, so the result depends on no zero of the values; setting the weight to 0 alone would
(a shift of the value bias moves it at will). A query that can look at no other key keeps its row.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Request
from auditor.measures.ablation.effects import EFFECTS
from auditor.measures.ablation.method import HeadAblation
from auditor.measures.ablation.sweep import Ablation, sweep_effects
from auditor.measures.untouched import untouched
from auditor.records import Component


class EdgeKnockout(HeadAblation):
    """KL(untouched ‖ cut) when one head may not look along one edge of every query, mean over a sequence's outputs.

    All queries that have the edge lose it at once, so that a head of an early layer is judged with what later layers
    read of it at any position.
    """

    family = "knock-out"
    component = "edge"
    source = (
        "Geva et al. 2023, arXiv 2304.14767, section 3.1 (attention knock-out, by a score of −∞); "
        "Wang et al. 2022, arXiv 2211.00593"
    )

    @abstractmethod
    def keys(self, inputs: InputBatch) -> Tensor:
        """The key that each query may not look at, −1 where it may look at all, [sequence, query]."""

    @property
    def readings(self) -> frozenset[Hashable]:
        """Nothing that is shared: the edits are its own."""
        return frozenset()

    def scores(self, request: Request, components: tuple[Component, ...]) -> NDArray[np.float64]:
        """[sequence, head]."""
        run = untouched(request)

        def cut(rows: Tensor, _length: int) -> list[Tensor]:
            part = run.inputs.rows(rows)
            return cut_outputs(request.model, part, self.keys(part))

        return sweep_effects(run, Ablation(components, self.site, cut), (EFFECTS[self.effect],))[0]


@torch.no_grad()
def cut_outputs(model: CanonicalTransformer, part: InputBatch, keys: Tensor) -> list[Tensor]:
    """z of every head without the edge to ``keys`` [batch, query], per layer [batch, position, head, value_width].

    What enters each layer is untouched.
    """
    _, cache = run_with_cache(model, part.tokens, sites=(Site.RESIDUAL, Site.PATTERN))
    found = []
    for layer, attention in enumerate(model.attentions):
        normed = model.block(layer).normed("attention_in", cache[Site.RESIDUAL, layer])
        values = torch.einsum("bpm,mhv->bphv", normed, attention.W_V) + attention.b_V
        pattern = without_edge(cache[Site.PATTERN, layer], torch.where(part.not_padding, keys, -1))
        found.append(torch.einsum("bhqk,bkhv->bqhv", pattern, values))
    return found


def without_edge(pattern: Tensor, keys: Tensor) -> Tensor:
    """``pattern`` [batch, head, query, key] with no weight on ``keys`` [batch, query] and rows that sum to 1.

    The rest is divided by its own sum, not by 1 − weight, so that a row with nearly all its weight there loses no
    digits. Rows whose key is −1, or that have nothing else, stay.
    """
    is_key = keys[:, None, :, None] == torch.arange(pattern.shape[-1])
    rest = pattern.masked_fill(is_key, 0.0)
    total = rest.sum(-1, keepdim=True)
    can_look_elsewhere = is_key.any(-1, keepdim=True) & (total > 0)
    return torch.where(can_look_elsewhere, rest / torch.where(total > 0, total, 1.0), pattern)
