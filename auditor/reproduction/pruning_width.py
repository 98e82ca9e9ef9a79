"""Approximate pruning: how wide a random network must be so that pruning it gives a trained model.

Wen et al. 2023 (arXiv 2312.01429, section 3) after Pensia et al. 2020 (arXiv 2006.07990): the error should fall
exponentially with the width, so the width grows with the logarithm of the error asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from auditor.behaviour.effects import kl_per_position
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.equivalences.behavioural_pruned_random import pruned
from auditor.reproduction.results import WidthPoint
from auditor.seeds import numpy_generator

SAMPLES = (4, 6, 8, 10, 12, 14)
"""Random numbers for each weight: the hidden layers are so many times as wide as the stream."""


@torch.no_grad()
def width_points(
    name: str, model: CanonicalTransformer, inputs: InputBatch, *, samples: Sequence[int] = SAMPLES, seed: int = 0
) -> tuple[WidthPoint, ...]:
    """KL and the largest error of a logit over the scored outputs, for each number of random numbers a weight."""
    model = model.clone(dtype=torch.float64)
    logits = model(inputs.tokens, fast=True)
    found = []
    for count in samples:
        twin, _ = pruned(model, count, numpy_generator(seed, "reproduction", "pruning", name, count))
        ours = twin(inputs.tokens, fast=True)
        kl = kl_per_position(logits.log_softmax(-1), ours.log_softmax(-1))[inputs.scored]
        error = (logits - ours).abs()[inputs.scored].max()
        width = twin.architecture.blocks[-1].query_width
        found.append(WidthPoint(name, count, width, float(kl.mean()), float(error)))
    return tuple(found)


def halvings_per_number(points: Sequence[WidthPoint]) -> float | None:
    """How often the largest error halves with each further random number: −slope of log₂ error, least squares."""
    usable = [point for point in points if point.largest_logit_error > 0]
    if len({point.samples for point in usable}) < 2:
        return None
    x = np.asarray([point.samples for point in usable], dtype=float)
    y = np.log2([point.largest_logit_error for point in usable])
    return float(-np.polyfit(x, y, 1)[0])
