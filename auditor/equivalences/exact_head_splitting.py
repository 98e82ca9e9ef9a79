"""Split a head of each layer in two that attend alike and share what the old one wrote."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from auditor.behaviour.evidence import Evidence
from auditor.canonical.model import Attention, CanonicalTransformer
from auditor.canonical.widening import extended, widened
from auditor.contracts import Equivalence, Progress, Transformed, silent
from auditor.records import Json, Kind, Relabelling

SHARES = (0.3, 0.7)
"""Range of the share that the old head keeps: both parts then write visibly less."""


class HeadSplitting(Equivalence):
    """Q, K and V of a head are copied; α of its W_O stays, 1 − α goes to the copy.

    How many heads share a job is no property of the function: each part alone matters less than the whole did.
    """

    version = 1
    kind = Kind.EXACT
    widens = True
    summary = "splits a head of each layer in two that attend alike and share what the one wrote"
    needs = "an output map"
    promise = "max|Δlogit| ≤ 1e-9 in float64"
    source = "after Chen et al. 2016, arXiv 1511.05641 (Net2WiderNet)"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Without W_O the number of heads is bound to the width."""
        return None if model.architecture.output_map else "the model has no output map: its heads fill its width"

    @torch.no_grad()
    def transform(
        self,
        model: CanonicalTransformer,
        evidence: Evidence,
        generator: np.random.Generator,
        *,
        parameters: Mapping[str, Json],
        progress: Progress = silent,
    ) -> Transformed:
        """A random head per layer and a random share; both parts stand for it."""
        del evidence, parameters, progress
        counts = [block.heads for block in model.architecture.blocks]
        twin = widened(model, heads=[1] * len(counts))
        split, shares = [int(generator.integers(count)) for count in counts], []
        for attention, head in zip(twin.attentions, split, strict=True):
            shares.append(float(generator.uniform(*SHARES)))
            _split(attention, head, shares[-1])
        moves = extended(counts, [[(head,)] for head in split])
        return Transformed(twin, Relabelling({"head": moves}), {"split": split, "shares": shares})


def _split(attention: Attention, head: int, share: float) -> None:
    """Make the last head, so far zero, a part of ``head``."""
    for name in ("W_Q", "W_K", "W_V"):
        weight = getattr(attention, name)
        weight[:, -1] = weight[:, head]
    for name in ("b_Q", "b_K", "b_V"):
        bias = getattr(attention, name)
        bias[-1] = bias[head]
    W_O, _ = attention.output
    W_O[-1] = (1.0 - share) * W_O[head]
    W_O[head] = share * W_O[head]
