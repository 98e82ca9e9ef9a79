"""Make any neuron write many times as much and take the surplus back with a copy."""

from __future__ import annotations

import torch

from auditor.contracts import Transformed, TransformRequest
from auditor.records import Relabelling
from auditor.records.theory import Aspect
from auditor.symmetries.widening import MoreNeurons, extended, widened

LEAD = 10.0
"""The amplified neuron writes this many times what the largest other one writes."""


class NeuronAmplification(MoreNeurons):
    """One neuron per layer gets a copy; it writes 1 + β times its row of W_out and the copy −β times.

    β is chosen so that the neuron's row becomes ``LEAD`` times the longest of its layer: by any measure of what
    a neuron writes alone, it is the top one.
    """

    version = 1
    changes = MoreNeurons.changes | {Aspect.NEURON_SURPLUS}
    summary = "lets one neuron of each layer write 1 + β times as much and a copy of it take β back"
    source = "this package, after Simsek et al. 2021, arXiv 2105.12221 (zero-type neurons)"

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random neuron per layer; it and its copy both stand for it."""
        model, generator = request.model, request.generator
        counts = [block.neurons for block in model.architecture.blocks]
        targets = [int(generator.integers(count)) for count in counts]
        twin, surpluses = widened(model, neurons=[1] * len(counts)), []
        for mlp, target in zip(twin.mlps, targets, strict=True):
            lengths = mlp.W_out.norm(dim=1)
            own = max(float(lengths[target]), 1e-6 * float(lengths.max()))
            surplus = LEAD * float(lengths.max()) / own if own > 0 else LEAD
            surpluses.append(surplus)
            mlp.W_in[:, -1] = mlp.W_in[:, target]
            mlp.b_in[-1] = mlp.b_in[target]
            mlp.W_out[-1] = -surplus * mlp.W_out[target]
            mlp.W_out[target] *= 1.0 + surplus
        moves = extended(counts, [[(target,)] for target in targets])
        return Transformed(twin, Relabelling({"neuron": moves}), {"targets": targets, "surpluses": surpluses})
