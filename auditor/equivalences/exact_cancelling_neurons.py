"""Add pairs of neurons that fire alike and write opposite vectors."""

from __future__ import annotations

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest, without_neurons
from auditor.records import Kind, Relabelling
from auditor.records.theory import Aspect
from auditor.symmetries.widening import extended, random_like, widened

PAIRS = 2
"""Pairs added to each layer."""


class CancellingNeurons(Equivalence):
    """Two neurons with any one W_in column and bias, and rows w and −w of W_out: together they write nothing."""

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.NEURON_COUNT})
    widens = True
    summary = "adds pairs of neurons that cancel"
    needs = "a two-layer MLP"
    source = "Simsek et al. 2021, arXiv 2105.12221 (zero-type neurons)"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs a layer of neurons to add to."""
        return without_neurons(model)

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
