"""Distils a copy of a model on its outputs while what one claim is about moves away: attention, or importance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from auditor.behaviour.effects import kl_per_position, mean_where
from auditor.calibration.mechanisms.planted import IMPORTANT, PlantedClaim
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Hook, Site
from auditor.records import Component
from auditor.twins.distillation import Losses, Pool, Schedule, kl_to_teacher, optimise, weights_from
from auditor.twins.distillation_data import distillation_data
from auditor.twins.ladder import Progress

MOVED = 0.75
"""Total variation, mean over queries, that every attacked head should reach: it lies above half of the mass."""

ATTENTION_WEIGHT, IMPORTANCE_WEIGHT = 0.4, 0.02
"""Penalty per unit of missing total variation, and per unit of the logarithm of an effect, in nats."""

MARGIN = 2.0
"""How many times below the threshold of importance the effect should fall."""

JITTER = 0.1
"""Noise on the queries and keys of attacked heads at the start, as a share of their root mean square."""

LEAST_SIZE = 1.0
"""Root mean square that is taken where theirs is smaller: a head without queries and keys has no gradient to leave
uniform attention by."""

PEAK, NARROW_PEAK = 1.5e-2, 0.1
"""Highest learning rates of a wide and of a narrow attack."""

SMALLEST_EFFECT = 1e-4
"""Added to an effect before its logarithm is taken, nats."""


def pools_of(model: CanonicalTransformer, generator: np.random.Generator) -> tuple[Sequence[Pool], ...]:
    """What a copy learns from when it is trained from each layer on."""
    teacher = model.clone(dtype=torch.float32)
    return tuple(distillation_data(teacher, generator, first_layer=layer) for layer in range(model.architecture.layers))


def attacks(
    model: CanonicalTransformer,
    against: PlantedClaim,
    pools_by_layer: Sequence[Sequence[Pool]],
    *,
    steps: int,
    generator: np.random.Generator,
    progress: Progress,
) -> tuple[CanonicalTransformer, ...]:
    """Two twins in float32 after ``steps`` optimiser steps each against one claim.

    A narrow attack moves the attacked heads alone, against attention only their queries and keys; a wide one all
    weights from their first layer on, and starts from the opposite attention where attention is attacked.
    ``pools_by_layer`` are those of :func:`pools_of`.
    """
    teacher = model.clone(dtype=torch.float32)
    first = min(head.layer for head in against.heads)
    pools = pools_by_layer[first]
    twins = []
    for is_narrow in (True, False):
        student = teacher.clone()
        if against.attacked == "attention":
            _start_elsewhere(student, against.heads, generator, opposed=not is_narrow)
            losses, weight = _attention_losses(student, teacher, against.heads, first), ATTENTION_WEIGHT
        else:
            losses, weight = _importance_losses(student, against.heads, first, model.task.max_length), IMPORTANCE_WEIGHT
        schedule = Schedule(
            steps,
            NARROW_PEAK if is_narrow else PEAK,
            preconditioned=False,  # the kept numbers are Adam's
            hard_example_share=0.5,
            ramp=max(1, steps // 10),
        )
        trained = _weights_of(student, against) if is_narrow else weights_from(student, first)
        with _only(student, against.heads) if is_narrow else nullcontext():
            optimise(
                student,
                trained,
                losses,
                pools,
                weight=weight,
                schedule=schedule,
                generator=generator,
                progress=progress,
            )
        twins.append(student)
    return tuple(twins)


_TABLES = ("W_Q", "W_K", "W_V", "b_Q", "b_K", "b_V")
"""Weights of an attention layer that are laid out by head, on the last axis but one; W_O is by its first."""


def _weights_of(student: CanonicalTransformer, against: PlantedClaim) -> list[nn.Parameter]:
    """What a narrow attack trains: queries and keys against attention, all of the heads against importance."""
    attentions = [student.attentions[layer] for layer in sorted({head.layer for head in against.heads})]
    if against.attacked == "attention":
        return [weight for one in attentions for weight in (one.W_Q, one.b_Q, one.W_K, one.b_K)]
    return [weight for one in attentions for weight in (*(getattr(one, name) for name in _TABLES), one.output[0])]


@contextmanager
def _only(student: CanonicalTransformer, heads: Sequence[Component]) -> Iterator[None]:
    """Within, other heads of these layers get no gradient."""
    handles = []
    for layer in {head.layer for head in heads}:
        attention = student.attentions[layer]
        kept = torch.tensor([Component(layer, head=head) in heads for head in range(attention.W_Q.shape[1])]).float()
        tables = [(getattr(attention, name), kept[:, None]) for name in _TABLES]
        for weight, mask in (*tables, (attention.output[0], kept[:, None, None])):
            handles.append(weight.register_hook(partial(torch.mul, mask)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _attention_losses(
    student: CanonicalTransformer, teacher: CanonicalTransformer, heads: Sequence[Component], first: int
) -> Losses:
    """(KL, Σ_heads max(0, MOVED − total variation to the teacher's rows))."""

    def losses(pool: Pool) -> tuple[Tensor, Tensor]:
        ours: dict[int, Tensor] = {}
        theirs: dict[int, Tensor] = {}
        with torch.no_grad():
            teacher.run_from(pool.residual, pool.tokens, first, _keep(theirs, Site.PATTERN))
        answers = student.run_from(pool.residual, pool.tokens, first, _keep(ours, Site.PATTERN))
        counted = pool.not_padding.float()
        counted[:, 0] = 0  # the first query has no choice
        missing = []
        for head in heads:
            rows = 0.5 * (ours[head.layer] - theirs[head.layer])[:, head.head or 0].abs().sum(-1)
            missing.append((MOVED - (rows * counted).sum() / counted.sum()).clamp_min(0))
        return kl_to_teacher(pool, answers.log_softmax(-1)), torch.stack(missing).sum()

    return losses


def _importance_losses(
    student: CanonicalTransformer, heads: Sequence[Component], first: int, max_length: int
) -> Losses:
    """(KL, Σ_heads max(0, ln e − ln(threshold / MARGIN))) with e the effect of mean ablation, as it is measured.

    Longer batches only add to the KL: importance is measured on sequences of the training lengths.
    """

    def losses(pool: Pool) -> tuple[Tensor, Tensor]:
        found: dict[int, Tensor] = {}
        log_q = student.run_from(pool.residual, pool.tokens, first, _keep(found, Site.Z)).log_softmax(-1)
        totals = kl_to_teacher(pool, log_q)
        if pool.tokens.shape[1] > max_length + 1:
            return totals, torch.zeros(())
        log_q = log_q.view_as(pool.log_p)
        excess = [_excess(student, pool, log_q, found[head.layer], head, first) for head in heads]
        return totals, torch.stack(excess).sum()

    return losses


def _excess(student: CanonicalTransformer, pool: Pool, log_q: Tensor, z: Tensor, head: Component, first: int) -> Tensor:
    index = head.head or 0
    weight = pool.not_padding.to(z)[:, :, None]
    mean = (z[:, :, index] * weight).sum((0, 1)) / weight.sum()
    hit = torch.arange(z.shape[2]) == index

    def hook(site: Site, layer: int, value: Tensor) -> Tensor:
        return torch.where(hit[:, None], mean, value) if site is Site.Z and layer == head.layer else value

    ablated = student.run_from(pool.residual, pool.tokens, first, hook).log_softmax(-1).view_as(log_q)
    effect = mean_where(kl_per_position(log_q, ablated), pool.scored).mean()
    return ((effect + SMALLEST_EFFECT).log() - math.log(IMPORTANT / MARGIN)).clamp_min(0)


def _keep(found: dict[int, Tensor], wanted: Site) -> Hook:
    def hook(site: Site, layer: int, value: Tensor) -> Tensor:
        if site is wanted:
            found[layer] = value
        return value

    return hook


@torch.no_grad()
def _start_elsewhere(
    student: CanonicalTransformer, heads: Sequence[Component], generator: np.random.Generator, *, opposed: bool
) -> None:
    """A little noise on queries and keys, which breaks ties; ``opposed``: scores change their sign as well."""
    for head in heads:
        attention = student.attentions[head.layer]
        for table in (attention.W_Q, attention.W_K):
            weight = table[:, head.head or 0]
            noise = torch.from_numpy(generator.normal(size=tuple(weight.shape))).to(weight)
            weight.add_(noise, alpha=JITTER * max(LEAST_SIZE, float(weight.square().mean().sqrt())))
        if opposed:
            attention.W_Q[:, head.head or 0].neg_()
            attention.b_Q[head.head or 0].neg_()
