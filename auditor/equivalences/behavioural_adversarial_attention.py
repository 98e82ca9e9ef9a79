"""A twin that gives the same answers while the last layer attends elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.evidence import Evidence
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Progress, Transformed, silent
from auditor.language.sampling import Sample
from auditor.records import Json, Kind
from auditor.training.distillation import Schedule, distil, make_pool

TARGET = 0.92
"""Mean total variation at which the penalty stops pulling."""

WEIGHT = 0.15
"""Penalty per unit of missing total variation, in nats."""

JITTER = 0.1
"""Noise on Q and K at the start, as a share of their root mean square."""

POOL = 10_000
"""Sequences per pool of teacher answers."""

LONGER = 3.6
"""Longest inputs taught, in training lengths: as long as a certificate looks."""

BATCH, LONG_BATCH = 64, 24
"""Sequences per step, short and long: steps of both kinds then cost about the same."""

STEPS = 2_000
"""Optimiser steps unless the plan says otherwise."""


class AdversarialAttention(Equivalence):
    """Distil the model into a copy of itself with the penalty 0.15 · Σ_heads max(0, 0.92 − total variation) on the
    last layer.

    Total variation is the mean over the queries that have a choice of the distance between the copy's attention row
    and the original's. Two thirds of the batches have the training lengths, one third is longer.
    """

    version = 1
    kind = Kind.BEHAVIOURAL
    smallest_plan = "quick"
    summary = "same answers, but every head of the last layer attends elsewhere"
    needs = "a layer of attention"
    promise = "held-out KL, disagreement and closing accuracy within the margins of its certificate"
    source = "after Wen et al. 2023, arXiv 2312.01429, section 4; Wiegreffe & Pinter 2019, arXiv 1908.04626, section 4"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Classifiers are not distilled yet."""
        return "the model is a classifier; its outputs are not distilled" if model.architecture.is_classifier else None

    def transform(
        self,
        model: CanonicalTransformer,
        evidence: Evidence,
        generator: np.random.Generator,
        *,
        parameters: Mapping[str, Json],
        progress: Progress = silent,
    ) -> Transformed:
        """The trained twin in float32; ``parameters["steps"]`` sets the effort."""
        del evidence
        steps = int(parameters.get("steps", STEPS))
        teacher = model.clone(dtype=torch.float32)
        student = teacher.clone()
        layer = model.architecture.layers - 1
        short, long = (
            make_pool(teacher, model.task, given, first_layer=layer, batch=batch)
            for given, batch in zip(_samples(model, generator), (BATCH, LONG_BATCH), strict=True)
        )
        _jitter(student, layer, generator)
        distil(
            student,
            teacher,
            (short, short, long),
            first_layer=layer,
            penalty=_shortfall,
            weight=WEIGHT,
            schedule=Schedule(steps=steps),
            generator=generator,
            progress=progress,
        )
        return Transformed(student, parameters={"layer": layer, "steps": steps, "target_total_variation": TARGET})


def _samples(model: CanonicalTransformer, generator: np.random.Generator) -> tuple[Sample, Sample]:
    """Sequences of the training lengths, and of up to LONGER times these where the positions allow."""
    task, limit = model.task, model.architecture.max_positions
    high = int(LONGER * task.max_length)
    if limit is not None:
        high = min(high, limit - 2)
    lengths = (max(task.max_length, high // 2), high) if high > task.max_length else None
    return task.draw(POOL, generator), task.draw(POOL // 4, generator, lengths=lengths)


@torch.no_grad()
def _jitter(student: CanonicalTransformer, layer: int, generator: np.random.Generator) -> None:
    """A little noise on Q and K breaks the tie between the directions in which attention may leave."""
    attention = student.attentions[layer]
    for weight in (attention.W_Q, attention.W_K):
        noise = torch.from_numpy(generator.normal(size=tuple(weight.shape))).to(weight)
        weight.add_(noise, alpha=JITTER * float(weight.square().mean().sqrt()))


def _shortfall(ours: Tensor, theirs: Tensor, real: Tensor) -> Tensor:
    """Σ_heads max(0, target − mean total variation)."""
    has_choice = real.clone()
    has_choice[:, 0] = False
    variation = 0.5 * (ours - theirs).abs().sum(-1)  # [batch, head, query]
    mean = (variation * has_choice[:, None]).sum((0, 2)) / has_choice.sum()
    return (TARGET - mean).clamp_min(0).sum()
