"""Add pairs of neurons that fire alike and write opposite vectors."""

from __future__ import annotations

import torch

from auditor.contracts import Transformed, TransformRequest
from auditor.records import Relabelling
from auditor.symmetries.widening import MoreNeurons, extended, random_like, widened

PAIRS = 2
"""Pairs added to each layer."""


class CancellingNeurons(MoreNeurons):
    """Two neurons with any one W_in column and bias, and rows w and −w of W_out: together they write nothing."""

    version = 1
    summary = "adds pairs of neurons that cancel"
    source = "Simsek et al. 2021, arXiv 2105.12221 (zero-type neurons)"

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """Random pairs, as large as the layer's own neurons; they stand for nothing."""
        model, generator = request.model, request.generator
        counts = [block.neurons for block in model.architecture.blocks]
        twin = widened(model, neurons=[2 * PAIRS] * len(counts))
        for old, mlp, count in zip(model.mlps, twin.mlps, counts, strict=True):
            for first in range(count, count + 2 * PAIRS, 2):
                mlp.W_in[:, first : first + 2] = random_like(old.W_in, (len(old.W_in), 1), generator)
                mlp.b_in[first : first + 2] = random_like(old.b_in, (1,), generator)
                mlp.W_out[first] = random_like(old.W_out, (old.W_out.shape[1],), generator)
                mlp.W_out[first + 1] = -mlp.W_out[first]
        nothing = [[None] * (2 * PAIRS)] * len(counts)
        return Transformed(twin, Relabelling({"neuron": extended(counts, nothing)}))
