"""Twins at a given divergence: a point on a path from a model to a twin, or from it in a direction of noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.effects import kl_per_position
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer

LEVELS = (1e-5, 1e-4, 1e-3, 1e-2)
"""Mean KL in nats per scored output at which twins are compared."""

MOST_NOISE = 8.0
"""Noise, as a share of the root mean square of each table, at which the scaling ends."""

FIRST, GROWTH, HALVINGS = 2.0**-21, 8.0, 7
"""Where the search for a level begins, as a share of the whole path, by what it grows, and how often the logarithm of
its last step is halved."""

Path = Callable[[float], CanonicalTransformer]
"""A share of the way, 0 to 1 → the model there, float64."""


def towards(model: CanonicalTransformer, twin: CanonicalTransformer) -> Path:
    """The straight line between the weights of two models of one architecture."""
    change = {name: value.double() - model.state_dict()[name].double() for name, value in twin.state_dict().items()}
    return _moved(model, change)


def noise(model: CanonicalTransformer, generator: np.random.Generator) -> Path:
    """Normal noise on every weight but an untrained table of inputs, in the size of each table."""
    change = {
        name: torch.from_numpy(generator.normal(size=tuple(weight.shape)))
        * (MOST_NOISE * float(weight.detach().square().mean().sqrt()))
        for name, weight in model.named_parameters()
        if name != "W_E" or model.architecture.embedding_trained
    }
    return _moved(model, change)


def _moved(model: CanonicalTransformer, change: dict[str, torch.Tensor]) -> Path:
    @torch.no_grad()
    def at(share: float) -> CanonicalTransformer:
        moved = model.clone(dtype=torch.float64)
        weights = dict(moved.named_parameters())
        for name, whole in change.items():
            weights[name].add_(whole, alpha=share)
        return moved

    return at


@torch.no_grad()
def log_probabilities(model: CanonicalTransformer, inputs: InputBatch) -> Tensor:
    """[sequence, position, vocabulary]."""
    found: Tensor = model(inputs.tokens, fast=True).log_softmax(-1)
    return found


def divergence(log_p: Tensor, twin: CanonicalTransformer, inputs: InputBatch) -> float:
    """Mean KL(original ‖ twin) over the scored outputs, nats; infinite where it is no number."""
    found = float(kl_per_position(log_p, log_probabilities(twin, inputs))[inputs.scored].mean())
    return found if math.isfinite(found) else math.inf


def largest_shares(log_p: Tensor, path: Path, levels: Sequence[float], inputs: InputBatch) -> tuple[float, ...]:
    """``log_p`` of the original: how far a path may be followed while the divergence stays at most each level.

    The whole way, where its end is within the level; otherwise up to the first crossing that is seen in steps of
    ``GROWTH``, to within 2 % of the share. 0 where even the first step exceeds the level.
    """
    known: dict[float, float] = {}

    def at(share: float) -> float:
        if share not in known:
            known[share] = divergence(log_p, path(share), inputs)
        return known[share]

    return tuple(_largest_share(at, level) for level in levels)


def _largest_share(at: Callable[[float], float], level: float) -> float:
    if at(1.0) <= level:
        return 1.0
    above = FIRST
    while above < 1.0 and at(above) <= level:
        above *= GROWTH
    if above == FIRST:
        return 0.0
    below = above / GROWTH
    for _ in range(HALVINGS):
        middle = math.sqrt(below * above)
        if at(middle) <= level:
            below = middle
        else:
            above = middle
    return below
