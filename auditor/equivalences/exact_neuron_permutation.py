"""Reorder the neurons of every MLP."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest, without_neurons
from auditor.records import Kind, Relabelling
from auditor.records.theory import Aspect
from auditor.symmetries.orders import reorder_neurons


class NeuronPermutation(Equivalence):
    """An MLP sums over its neurons, so their order means nothing (Hecht-Nielsen 1990)."""

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.NEURON_ORDER})
    smallest_plan = "quick"
    summary = "reorders the neurons of each MLP"
    needs = "a two-layer MLP with at least two neurons"
    source = "Hecht-Nielsen 1990, On the algebraic structure of feedforward network weight spaces"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs neurons."""
        if model.mlps and all(block.neurons < 2 for block in model.architecture.blocks):
            return "every MLP has one neuron"
        return without_neurons(model)

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random order per layer that moves at least one neuron wherever there are two."""
        model, generator = request.model, request.generator
        twin, moves, first = model.clone(), [], 0
        for mlp in twin.mlps:
            neurons = len(mlp.b_in)
            order = generator.permutation(neurons)
            if neurons > 1 and (order == np.arange(neurons)).all():
                order = np.roll(order, 1)
            reorder_neurons(mlp, torch.from_numpy(order))
            moves += [(first + int(old),) for old in order]
            first += neurons
        return Transformed(twin, Relabelling({"neuron": tuple(moves)}))
