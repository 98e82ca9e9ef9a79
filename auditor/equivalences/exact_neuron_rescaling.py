"""Rescale the neurons of every ReLU MLP."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest, without_neurons
from auditor.records import Kind
from auditor.records.theory import Aspect

SPREAD = 1.0
"""Standard deviation of log s: most scales lie between 1/7 and 7."""


class NeuronRescaling(Equivalence):
    """relu(s·a) = s·relu(a) for s > 0: W_in and b_in of a neuron times s, its row of W_out divided by s."""

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.NEURON_SCALE})
    smallest_plan = "quick"
    summary = "multiplies the input of each ReLU neuron by a positive number and divides its output by it"
    needs = "a two-layer MLP with ReLU"
    source = "Neyshabur et al. 2015, arXiv 1506.02617, section 2 (node-wise rescaling)"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Only ReLU is positively homogeneous."""
        if model.mlps and model.architecture.activation != "relu":
            return f"the activation function {model.architecture.activation} does not commute with positive scales"
        return without_neurons(model)

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A log-normal s per neuron. Neurons keep their places; their activations are s times what they were."""
        model, generator = request.model, request.generator
        twin = model.clone()
        for mlp in twin.mlps:
            scale = torch.from_numpy(np.exp(generator.normal(0.0, SPREAD, size=len(mlp.b_in)))).to(mlp.b_in)
            mlp.W_in.mul_(scale)
            mlp.b_in.mul_(scale)
            mlp.W_out.div_(scale[:, None])
        return Transformed(twin)
