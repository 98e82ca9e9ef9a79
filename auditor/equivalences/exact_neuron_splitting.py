"""Split neurons in two that fire alike and share what the old one wrote."""

from __future__ import annotations

import torch

from auditor.contracts import Transformed, TransformRequest
from auditor.records import Relabelling
from auditor.records.theory import Aspect
from auditor.symmetries.widening import MoreNeurons, extended, widened

SHARE = 4
"""One neuron in so many is split, at least one per layer."""


class NeuronSplitting(MoreNeurons):
    """W_in and b_in of a neuron are copied; α of its row of W_out stays, 1 − α goes to the copy, for any α."""

    version = 1
    changes = MoreNeurons.changes | {Aspect.NEURON_SHARES}
    summary = "splits some neurons in two that fire alike and share what the one wrote"
    source = "Chen et al. 2016, arXiv 1511.05641 (Net2WiderNet)"

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """Random neurons and random shares α between −1 and 2; each copy stands for its neuron."""
        model, generator = request.model, request.generator
        counts = [block.neurons for block in model.architecture.blocks]
        split = [generator.permutation(count)[: max(1, count // SHARE)] for count in counts]
        twin = widened(model, neurons=[len(chosen) for chosen in split])
        for mlp, count, chosen in zip(twin.mlps, counts, split, strict=True):
            old = torch.from_numpy(chosen)
            share = torch.from_numpy(generator.uniform(-1.0, 2.0, size=(len(chosen), 1))).to(mlp.W_out)
            mlp.W_in[:, count:] = mlp.W_in[:, old]
            mlp.b_in[count:] = mlp.b_in[old]
            mlp.W_out[count:] = (1.0 - share) * mlp.W_out[old]
            mlp.W_out[old] = share * mlp.W_out[old]
        copies = [[(int(old),) for old in chosen] for chosen in split]
        return Transformed(twin, Relabelling({"neuron": extended(counts, copies)}))
