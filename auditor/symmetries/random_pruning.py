"""Maps made from random numbers by pruning alone: choosing which of them to keep, and training none.

A target weight is the sum of a subset of n random numbers; its error falls like 2^−n (Lueker 1998, "Exponentially small
bounds on the expected optimum of the partition and subset sum problems"), which is what makes pruned random networks
of logarithmic extra width universal (Pensia et al. 2020, arXiv 2006.07990; Wen et al. 2023, arXiv 2312.01429).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

SUBSETS_TOGETHER = 1_000_000
"""Sums of one half held at once: 8 MB in float64, a few times over."""

REACH = 1.5
"""Largest random number over the largest target in a product of two: then few targets lie out of reach."""


@dataclass(frozen=True)
class Kept:
    """How many random numbers there were, and how many of them are kept."""

    numbers: int = 0
    kept: int = 0

    def __add__(self, other: Kept) -> Kept:
        return Kept(self.numbers + other.numbers, self.kept + other.kept)


def best_subsets(candidates: Tensor, targets: Tensor) -> Tensor:
    """Which of the n ``candidates`` [sample, target] to add up to come closest to each target, the same shape, bool.

    Exact over all 2^n subsets, in two halves that meet in the middle (Horowitz & Sahni 1974): for each sum of one half
    the other half's nearest to what is left is found by bisection.
    """
    kept = torch.empty(candidates.shape, dtype=torch.bool)
    step = max(1, SUBSETS_TOGETHER // 2 ** (len(candidates) - len(candidates) // 2))
    for start in range(0, len(targets), step):
        part = slice(start, start + step)
        kept[:, part] = _meet(candidates[:, part].T, targets[part]).T
    return kept


def _meet(candidates: Tensor, targets: Tensor) -> Tensor:
    """The best subset of each row of ``candidates`` [target, sample], bool."""
    half = candidates.shape[1] // 2
    (few, few_sums), (many, many_sums) = (_all_sums(part) for part in (candidates[:, :half], candidates[:, half:]))
    ordered, order = many_sums.sort(dim=1)
    wanted = targets[:, None] - few_sums
    above = torch.searchsorted(ordered, wanted).clamp(max=ordered.shape[1] - 1)
    below = (above - 1).clamp(min=0)
    apart = [(ordered.gather(1, place) - wanted).abs() for place in (below, above)]
    nearest = torch.where(apart[0] <= apart[1], below, above)
    best = torch.minimum(*apart).argmin(1, keepdim=True)
    chosen = order.gather(1, nearest.gather(1, best)).squeeze(1)
    return torch.cat([few[best.squeeze(1)], many[chosen]], dim=1)


def _all_sums(candidates: Tensor) -> tuple[Tensor, Tensor]:
    """(subsets [subset, sample] bool, their sums [target, subset])."""
    samples = candidates.shape[1]
    subsets = ((torch.arange(2**samples)[:, None] >> torch.arange(samples)) & 1).bool()
    return subsets, candidates @ subsets.T.to(candidates.dtype)


def parallel_sums(target: Tensor, samples: int, generator: np.random.Generator) -> tuple[Tensor, Kept]:
    """``target`` with every weight replaced by the best sum of some of ``samples`` random numbers.

    As if ``samples`` random edges ran side by side where one edge was.
    """
    flat = target.detach().double().flatten()
    candidates = _uniform((samples, len(flat)), float(flat.abs().max()), generator)
    kept = best_subsets(candidates, flat)
    sums = (candidates * kept).sum(0).view(target.shape)
    return sums.to(target), Kept(kept.numel(), int(kept.sum()))


def two_layer_linear(target: Tensor, samples: int, generator: np.random.Generator) -> tuple[Tensor, Tensor, Kept]:
    """(first [input, hidden], second [hidden, output]) with product near ``target`` [input, output], both pruned.

    The hidden layer is ``samples`` times as wide as the input. Of the first random matrix each hidden unit keeps the
    edge of one input; of the second each edge is kept or not, so that products add up to the target (Pensia et al.
    2020, section 3, without the rectifier that a linear map does not need).
    """
    inputs, outputs = target.shape
    first = _uniform((inputs, samples), 1.0, generator)
    largest = max(float(target.abs().max()), torch.finfo(torch.float64).tiny)
    second = _uniform((inputs, samples, outputs), REACH * largest, generator)
    products = (first[:, :, None] * second).transpose(0, 1).reshape(samples, inputs * outputs)
    kept = best_subsets(products, target.double().flatten()).view(samples, inputs, outputs).transpose(0, 1)
    spread = torch.zeros(inputs, inputs, samples, dtype=torch.float64)
    spread[torch.arange(inputs), torch.arange(inputs)] = first
    hidden = inputs * samples
    numbers = Kept(inputs * hidden + hidden * outputs, hidden + int(kept.sum()))
    return spread.view(inputs, hidden), (second * kept).reshape(hidden, outputs), numbers


def _uniform(shape: tuple[int, ...], size: float, generator: np.random.Generator) -> Tensor:
    return torch.from_numpy(generator.uniform(-size, size, shape))
