"""Split a head of each layer in two that attend alike and share what the old one wrote."""

from __future__ import annotations

import torch

from auditor.contracts import Transformed, TransformRequest
from auditor.records import Relabelling
from auditor.records.theory import Aspect
from auditor.symmetries.widening import MoreHeads, extended, share_with_last, widened

SHARES = (0.3, 0.7)
"""Range of the share that the old head keeps: both parts then write visibly less."""


class HeadSplitting(MoreHeads):
    """Q, K and V of a head are copied; α of its W_O stays, 1 − α goes to the copy.

    The number of heads that do one thing is no property of the function: each part alone has a smaller effect.
    """

    version = 1
    changes = MoreHeads.changes | {Aspect.HEAD_SHARES}
    summary = "splits a head of each layer in two that attend alike and share what the one wrote"
    source = "after Chen et al. 2016, arXiv 1511.05641 (Net2WiderNet)"

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random head per layer and a random share; both parts stand for it."""
        model, generator = request.model, request.generator
        counts = [block.heads for block in model.architecture.blocks]
        twin = widened(model, heads=[1] * len(counts))
        split, shares = [int(generator.integers(count)) for count in counts], []
        for attention, head in zip(twin.attentions, split, strict=True):
            shares.append(float(generator.uniform(*SHARES)))
            share_with_last(attention, head, kept=shares[-1], given=1.0 - shares[-1])
        moves = extended(counts, [[(head,)] for head in split])
        return Transformed(twin, Relabelling({"head": moves}), {"split": split, "shares": shares})
