"""Attention rollout: how much of each input position reaches each position, if attention were all that mixes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.expectations import whole_scores
from auditor.records import Component, Expected, Interpretation

MAX_WEIGHTS = 1_000_000
"""Weights kept per model (8 MB): bounds the sequences that are read."""

MAX_SEQUENCES = 64


class AttentionRollout(InterpretationMethod):
    """Ã_l … Ã_0 with Ã = ½ (mean of the layer's heads) + ½ 1, the half standing for the residual path.

    Without a residual path Ã is the mean of the heads. One component per layer: the rollout up to its output. Rows of
    padding queries are zero. The mean counts heads, whatever they write: a head that is split counts twice.
    """

    version = 1
    by_position = True
    family = "attention"
    summary = "attention from each position back to the inputs, multiplied through the layers"
    unit = "share of the input"
    higher_means = "the position takes more from the input token"
    source = "Abnar & Zuidema 2020, arXiv 2005.00928, section 3.1"
    claims = ("pattern",)
    distance = "total_variation"
    expected: ClassVar[Mapping[str, Expected]] = whole_scores(
        exact_head_splitting=Expected.CHANGES, exact_cancelling_heads=Expected.CHANGES
    )

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part, query, key]."""
        model, inputs = request.model, request.inputs
        layers = model.architecture.layers
        fits = max(1, MAX_WEIGHTS // (layers * inputs.tokens.shape[1] ** 2))
        seen = inputs.rows(slice(0, min(len(inputs), MAX_SEQUENCES, fits)))
        width = seen.tokens.shape[1]
        values = np.zeros((len(seen), layers, width, width))
        for rows, part in seen.batches():
            short = part.tokens.shape[1]
            values[rows.numpy(), :, :short, :short] = _rollout(model, part).numpy()
        components = tuple(Component(layer, part="residual") for layer in range(layers))
        return Interpretation(self.name, ("sequence", "part", "query", "key"), components, values)


def _rollout(model: CanonicalTransformer, part: InputBatch) -> Tensor:
    """[batch, layer, query, key]."""
    _, cache = run_with_cache(model, part.tokens, sites=(Site.PATTERN,))
    identity = torch.eye(part.tokens.shape[1], dtype=model.dtype)
    found, so_far = [], identity
    for layer in range(model.architecture.layers):
        mixing = cache[Site.PATTERN, layer].mean(1)
        if model.architecture.attention_residual:
            mixing = 0.5 * mixing + 0.5 * identity
        so_far = mixing @ so_far
        found.append(so_far)
    return torch.stack(found, dim=1) * part.not_padding[:, None, :, None]
