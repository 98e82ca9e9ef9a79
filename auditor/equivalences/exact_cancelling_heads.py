"""Add a pair of heads to each layer that attend alike, anywhere, and write opposite vectors."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.model import Attention
from auditor.contracts import Transformed, TransformRequest
from auditor.records import Relabelling
from auditor.symmetries.widening import MoreHeads, extended, random_like, widened


class CancellingHeads(MoreHeads):
    """Two heads with any one W_Q, W_K, W_V and their biases, and W_O and −W_O: together they write nothing.

    What the heads of a model attend to and what one of them does alone is therefore no property of the function:
    the pair may attend anywhere, and ablating one of the two may have an effect of any size.
    """

    version = 1
    summary = "adds a pair of heads that cancel to each layer"
    source = "this package, after Simsek et al. 2021, arXiv 2105.12221 (zero-type neurons)"

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random pair per layer, as large as the layer's own heads; it stands for nothing."""
        model, generator = request.model, request.generator
        counts = [block.heads for block in model.architecture.blocks]
        twin = widened(model, heads=[2] * len(counts))
        for old, new in zip(model.attentions, twin.attentions, strict=True):
            _fill_pair(old, new, generator)
        return Transformed(twin, Relabelling({"head": extended(counts, [[None, None]] * len(counts))}))


def _fill_pair(old: Attention, new: Attention, generator: np.random.Generator) -> None:
    heads = len(old.b_Q)
    for name in ("W_Q", "W_K", "W_V"):
        ours, theirs = getattr(old, name), getattr(new, name)
        theirs[:, heads:] = random_like(ours, (ours.shape[0], 1, ours.shape[2]), generator)
    for name in ("b_Q", "b_K", "b_V"):
        ours, theirs = getattr(old, name), getattr(new, name)
        theirs[heads:] = random_like(ours, (1, ours.shape[1]), generator)
    ours, theirs = old.output[0], new.output[0]
    theirs[heads] = random_like(ours, tuple(ours.shape[1:]), generator)
    theirs[heads + 1] = -theirs[heads]
