"""The data a twin is distilled on: the original's outputs on strings of the training lengths and longer ones.

A classifier gives one answer a string, so it gets more strings: words, words corrupted by every edit of
``auditor.language.corruption``, and the half of further draws that lies nearest to its decision boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.evaluation import CERTIFICATE_LONGER
from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import TransformRequest
from auditor.twins.distillation import Pool, Schedule, kl_to_teacher, make_pool, optimise

SEQUENCES, LONG_SEQUENCES = 4_000, 1_000
"""Different sequences to learn from; steps revisit them in random batches."""

BATCH, LONG_BATCH = 32, 12
"""Sequences per step, short and long: steps of both kinds then cost about the same."""

STRINGS, STRINGS_IN_STEP = 4, 3
"""Times as many strings for a classifier, in the pools and in each step."""


def distillation_data(
    teacher: CanonicalTransformer,
    generator: np.random.Generator,
    *,
    first_layer: int,
    shortest: float = 0.0,
    own: InputBatch | None = None,
) -> tuple[Pool, ...]:
    """Pools to visit in turn: two thirds of the batches have the training lengths, one third is longer.

    ``shortest``, in longest training lengths, leaves out the shorter strings: to a causal language model all of these
    are beginnings of longer ones, and nothing is learned from padding; other models get every length.
    Where the positions end before ``CERTIFICATE_LONGER`` training lengths, the longer ones are as long as fits; where
    nothing longer fits, all have the training lengths. ``own`` are a user's strings, to which half of the batches of
    training lengths go.
    """
    task, limit = teacher.task, teacher.architecture.max_positions
    high = int(CERTIFICATE_LONGER * task.max_length)
    if limit is not None:
        high = min(high, limit - 2)  # START and END
    shortest = shortest if teacher.architecture.causal and not teacher.architecture.is_classifier else 0.0
    known = (max(task.min_length, int(shortest * task.max_length)), task.max_length)
    beyond = (max(task.max_length, int(max(0.5, shortest) * high)), high) if high > task.max_length else known
    short = _pools(teacher, _drawn(teacher, SEQUENCES, generator, known), first_layer, BATCH)
    long = _pools(teacher, _drawn(teacher, LONG_SEQUENCES, generator, beyond), first_layer, LONG_BATCH)
    second = short if own is None else _pools(teacher, own, first_layer, BATCH)
    return tuple(_in_turn(short, second, long))


def own_strings(request: TransformRequest) -> InputBatch | None:
    """The strings to learn from that are a user's, or None where the request's are drawn from the task."""
    return request.inputs if request.inputs_are_given else None


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


def _drawn(
    teacher: CanonicalTransformer, count: int, generator: np.random.Generator, lengths: tuple[int, int]
) -> InputBatch:
    """Fresh strings; of a classifier also some near its decision boundary."""
    if not teacher.architecture.is_classifier:
        return draw_inputs(teacher.task, count, generator, lengths=lengths)
    count *= STRINGS
    candidates = torch.arange(count, count + count // 4)
    drawn = draw_inputs(teacher.task, count + len(candidates), generator, lengths=lengths)
    order = _certainty(teacher, drawn.rows(candidates)).argsort(stable=True)
    nearest = candidates[order[: len(order) // 2]]
    return drawn.rows(torch.cat([torch.arange(count), nearest]))


@torch.no_grad()
def _certainty(teacher: CanonicalTransformer, inputs: InputBatch) -> Tensor:
    """By how much the most probable class leads, in nats, [sequence]."""
    found = torch.empty(len(inputs), dtype=teacher.dtype)
    for rows, part in inputs.batches():
        best = teacher(part.tokens, fast=True).log_softmax(-1).topk(2, dim=-1).values
        found[rows] = best[:, 0] - best[:, 1]
    return found


def _pools(teacher: CanonicalTransformer, inputs: InputBatch, first_layer: int, batch: int) -> list[Pool]:
    """One pool; where a model reads its padding, one for each range of lengths that is run together."""
    if teacher.architecture.is_classifier:
        batch *= STRINGS_IN_STEP
    if teacher.hides_padding:
        return [make_pool(teacher, inputs, first_layer=first_layer, batch=batch)]
    parts = [part for _, part in inputs.batches(tokens=inputs.tokens.numel())]
    return [make_pool(teacher, part, first_layer=first_layer, batch=batch) for part in parts]


def _in_turn(*kinds: Sequence[Pool]) -> list[Pool]:
    """The pools of each kind in turn, until each was visited once at least."""
    rounds = max(len(kind) for kind in kinds)
    return [kind[number % len(kind)] for number in range(rounds) for kind in kinds]
