"""The data a twin is distilled on: the original's outputs on sequences of the training lengths and longer ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.evaluation import CERTIFICATE_LONGER
from auditor.canonical.model import CanonicalTransformer
from auditor.twins.distillation import Pool, Schedule, kl_to_teacher, make_pool, optimise

SEQUENCES, LONG_SEQUENCES = 10_000, 2_500
"""Different sequences to learn from; steps revisit them in random batches."""

BATCH, LONG_BATCH = 64, 24
"""Sequences per step, short and long: steps of both kinds then cost about the same."""


def distillation_data(
    teacher: CanonicalTransformer, generator: np.random.Generator, *, first_layer: int, shortest: float = 0.0
) -> tuple[Pool, ...]:
    """Pools to visit in turn: two thirds of the batches have the training lengths, one third is longer.

    ``shortest``, in longest training lengths, leaves out the shorter strings: to a causal model all of these are
    beginnings of longer ones, and nothing is learned from padding.
    Where the positions end before ``CERTIFICATE_LONGER`` training lengths, the longer ones are as long as fits; where
    nothing longer fits, all have the training lengths.
    """
    task, limit = teacher.task, teacher.architecture.max_positions
    high = int(CERTIFICATE_LONGER * task.max_length)
    if limit is not None:
        high = min(high, limit - 2)  # START and END
    lengths = (max(task.max_length, int(max(0.5, shortest) * high)), high) if high > task.max_length else None
    known = (max(task.min_length, int(shortest * task.max_length)), task.max_length)
    drawn = task.draw(SEQUENCES, generator, lengths=known)
    short = make_pool(teacher, task, drawn, first_layer=first_layer, batch=BATCH)
    drawn = task.draw(LONG_SEQUENCES, generator, lengths=lengths)
    long = make_pool(teacher, task, drawn, first_layer=first_layer, batch=LONG_BATCH)
    return short, short, long


def why_not_taught(model: CanonicalTransformer) -> str | None:
    """Why a twin cannot be taught the model's answers, or None."""
    return "the model is a classifier; its outputs are not distilled" if model.architecture.is_classifier else None


def teach(
    student: CanonicalTransformer,
    pools: Sequence[Pool],
    *,
    schedule: Schedule,
    generator: np.random.Generator,
    progress: Callable[[float, str], None],
) -> None:
    """Minimise KL(teacher ‖ student) over every weight, in place; a table that was never trained stays as it is."""

    def losses(pool: Pool) -> tuple[Tensor, Tensor]:
        return kl_to_teacher(pool, student(pool.tokens, fast=True).log_softmax(-1)), torch.zeros(())

    fixed = () if student.architecture.embedding_trained else (student.W_E,)
    trained = [parameter for parameter in student.parameters() if all(parameter is not f for f in fixed)]
    optimise(student, trained, losses, pools, weight=0.0, schedule=schedule, generator=generator, progress=progress)
