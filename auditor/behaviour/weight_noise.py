"""How far a model is from itself with a little noise on its weights: a yardstick for the KL of a twin.

Every weight w of a tensor W gets + s · std(W) · ε with ε ~ N(0, 1): a relative noise of s.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from auditor.behaviour.bounds import disagreement
from auditor.behaviour.comparison import compare
from auditor.behaviour.input_batch import InputBatch, Rewritten
from auditor.canonical.model import CanonicalTransformer
from auditor.seeds import torch_generator

LEVELS = (0.005, 0.02)
"""Relative noises that a certificate reports."""

SEQUENCES = 200
"""Sequences in distribution on which a noisy copy is compared; enough for a yardstick."""

LONGER_SEQUENCES = 30


@torch.no_grad()
def with_noise(model: CanonicalTransformer, level: float, seed: int) -> CanonicalTransformer:
    """A copy with relative noise ``level`` on every weight."""
    noisy, generator = model.clone(), torch_generator(seed, "weight noise")
    for weight in noisy.parameters():
        spread = level * float(weight.std(unbiased=False))
        weight.add_(torch.randn(weight.shape, generator=generator, dtype=weight.dtype), alpha=spread)
    return noisy


def noise_yardstick(
    model: CanonicalTransformer, inputs: InputBatch, longer: InputBatch | None, seed: int
) -> Mapping[str, float]:
    """Mean KL in nats per scored output, and share of decisions that differ, at each of :data:`LEVELS`."""
    numbers: dict[str, float] = {}
    for level in LEVELS:
        noisy = with_noise(model, level, seed)
        for where, given, count in (("", inputs, SEQUENCES), ("longer_", longer, LONGER_SEQUENCES)):
            if given is None:
                continue
            part = given.rows(slice(count))
            found = compare(model, noisy, Rewritten(part, part))
            if found.is_finite:
                numbers[f"{where}kl_mean_nats_at_{level:g}"] = float(found.kl.mean())
                numbers[f"{where}disagreement_at_{level:g}"] = disagreement(found) or 0.0
    return numbers
