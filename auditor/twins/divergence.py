"""Distils the original's outputs while some layers are trained to attend elsewhere.

The penalty is weight · Σ_layers Σ_heads max(0, target − total variation). Total variation is the mean, over the
queries that have a choice, of the distance ½ Σ_key |A − A′| between the copy's attention row and the original's. The
copy learns mostly from long strings (see ``distillation_data``), in which a query near the end counts as often as one
near the start; queries are therefore weighted by the share of the language's own strings that reach them.

The hinge is steep and its target lies just above what is wanted: no KL is spent on moving further.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.records import Json
from auditor.records.values import whole
from auditor.twins.distillation import Penalty, Schedule, distil
from auditor.twins.distillation_data import distillation_data
from auditor.twins.restarts import Objective, best_of, restarts_of


@dataclass(frozen=True, slots=True)
class DivergenceTarget:
    """The mean total variation that every head should reach, and the penalty per unit that is missing, in nats."""

    target: float
    weight: float


LAST_LAYER = DivergenceTarget(target=0.88, weight=0.4)
"""Where other layers come before it."""

ONLY_LAYER = DivergenceTarget(target=0.7, weight=1.2)
"""For a model of one layer, which can compensate less: a lower target with a larger penalty."""

SLACK = 0.03
"""How far below its target a head may end."""

JITTER = 0.1
"""Noise on Q and K at the start, as a share of their root mean square."""

SHORTEST = 0.7
"""Shortest strings taught, in longest training lengths."""

HARD_EXAMPLE_SHARE = 0.5
"""Share of each batch that is drawn in proportion to the KL last seen of each sequence."""

STEPS = 2_000
"""Optimiser steps unless the plan says otherwise."""

COUNTED = 4_000
"""Strings from which the share that reaches a position is counted."""

PATTERN_SEQUENCES = 256
"""Search sequences on which total variation is measured."""


def attend_elsewhere(
    model: CanonicalTransformer,
    layers: Collection[int],
    *,
    parameters: Mapping[str, Json],
    generator: np.random.Generator,
    wanted: DivergenceTarget,
    progress: Callable[[float, str], None],
) -> tuple[CanonicalTransformer, Mapping[str, Json]]:
    """The best twin, in float32, in which every head of ``layers`` attends elsewhere, and how it was found.

    Layers before the first of these stay as they are.
    """
    teacher, first = model.clone(dtype=torch.float32), min(layers)
    schedule = Schedule(steps=whole(parameters, "steps", STEPS), hard_example_share=HARD_EXAMPLE_SHARE)
    penalty = _shortfall(wanted.target, _reach(model, generator))

    def make(
        number: int, generator: np.random.Generator, progress: Callable[[float, str], None]
    ) -> CanonicalTransformer:
        student = teacher.clone()
        pools = distillation_data(teacher, generator, first_layer=first, shortest=SHORTEST)
        if _starts_opposed(model, layers, number):
            _oppose(student, layers)
        _jitter(student, layers, generator)
        distil(
            student,
            teacher,
            pools,
            first_layer=first,
            penalty=penalty,
            weight=wanted.weight,
            penalised=layers,
            schedule=schedule,
            generator=generator,
            progress=progress,
        )
        return student

    def judge(twin: CanonicalTransformer, search: InputBatch) -> Objective:
        moved = total_variation(teacher, twin, search.rows(slice(0, PATTERN_SEQUENCES)), layers)
        return Objective(
            reached=float(moved.min()) >= wanted.target - SLACK, numbers={"total_variation": moved.tolist()}
        )

    restarts = restarts_of(parameters)
    best = best_of(make, model, restarts=restarts, generator=generator, progress=progress, judge=judge)
    return best.model, {"steps": schedule.steps, "target_total_variation": wanted.target, **best.to_json()}


@torch.no_grad()
def total_variation(
    original: CanonicalTransformer, twin: CanonicalTransformer, inputs: InputBatch, layers: Collection[int]
) -> Tensor:
    """Mean total variation of each head of some layers, [head], layer by layer."""
    total, count = torch.zeros(()), 0
    for _, part in inputs.batches():
        ours, theirs = (run_with_cache(model, part.tokens, sites=(Site.PATTERN,))[1] for model in (twin, original))
        counted = part.not_padding.float()
        counted[:, 0] = 0
        rows = [_variation(ours[Site.PATTERN, layer], theirs[Site.PATTERN, layer], counted) for layer in sorted(layers)]
        total, count = total + torch.cat(rows) * counted.sum(), count + int(counted.sum())
    return total / count


def _variation(ours: Tensor, theirs: Tensor, counted: Tensor) -> Tensor:
    """Mean total variation of each head, [head], from patterns [batch, head, query, key] and weights [batch, query]."""
    variation = 0.5 * (ours - theirs).abs().sum(-1)
    return (variation * counted[:, None]).sum((0, 2)) / counted.sum()


def _shortfall(target: float, reach: Tensor) -> Penalty:
    """Σ_heads max(0, target − total variation); strings longer than the language's own count all queries alike."""

    def penalty(ours: Tensor, theirs: Tensor, not_padding: Tensor) -> Tensor:
        counted = not_padding.to(ours)
        counted[:, 0] = 0
        if not_padding.shape[1] <= len(reach):
            counted = counted * reach[: not_padding.shape[1]]
        return (target - _variation(ours, theirs, counted)).clamp_min(0).sum()

    return penalty


def _reach(model: CanonicalTransformer, generator: np.random.Generator) -> Tensor:
    """Share of the language's own strings that have an input at each position, [position]."""
    return torch.from_numpy(model.task.draw(COUNTED, generator).input_mask.mean(axis=0)).float()


def _starts_opposed(model: CanonicalTransformer, layers: Collection[int], number: int) -> bool:
    """Whether an attempt starts from the opposite attention: every other attempt does.

    With several heads in a single layer the first attempt does, otherwise the second.

    A head that leaves the original's attention step by step may saturate on START and stay there; one that starts from
    the opposite cannot. But a single head that is turned around no longer reads what its layer needs, nor does a
    layer whose inputs are turned around as well.
    """
    is_safe = len(layers) == 1 and min(model.architecture.blocks[layer].heads for layer in layers) > 1
    return is_safe == (number % 2 == 0)


@torch.no_grad()
def _oppose(student: CanonicalTransformer, layers: Collection[int]) -> None:
    """Scores change their sign."""
    for layer in layers:
        attention = student.attentions[layer]
        attention.W_Q.neg_()
        attention.b_Q.neg_()


@torch.no_grad()
def _jitter(student: CanonicalTransformer, layers: Collection[int], generator: np.random.Generator) -> None:
    """A little noise on Q and K breaks the tie between the directions in which attention may leave."""
    for layer in sorted(layers):
        attention = student.attentions[layer]
        for weight in (attention.W_Q, attention.W_K):
            noise = torch.from_numpy(generator.normal(size=tuple(weight.shape))).to(weight)
            weight.add_(noise, alpha=JITTER * float(weight.square().mean().sqrt()))
