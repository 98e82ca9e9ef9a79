"""The data a twin is distilled on: the original's outputs on strings of the training lengths and longer ones.

A classifier gives one answer a string, and a third of its strings are among the few shortest ones, so it learns from
two kinds of strings in turn: as they are drawn (words, and words corrupted by every edit of
``auditor.language.corruption``) together with all short ones, and different ones that are not short, each of them once,
more of them corrupted and more of them near its decision boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.evaluation import CERTIFICATE_LONGER
from auditor.behaviour.input_batch import InputBatch, draw_inputs, joined
from auditor.behaviour.rare_states import draw_rare
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import TransformRequest
from auditor.twins.distillation import Pool, Schedule, kl_to_teacher, make_pool, optimise

SEQUENCES, LONG_SEQUENCES = 4_000, 1_000
"""Different sequences to learn from; steps revisit them in random batches."""

RARE_SEQUENCES = 2_000
"""Sequences wanted of each state that few reach: a match far away, or the depth bound."""

BATCH, LONG_BATCH = 32, 12
"""Sequences per step, short and long: steps of both kinds then cost about the same."""

STRINGS, DIFFERENT_STRINGS = 2, 6
"""Times as many strings for a classifier: as they are drawn, and drawn for different ones."""

SHORT_DRAWS, SHORT = 20_000, 0.4
"""Draws of strings up to this length, in the longest training length, that are learned too, each once: a twin that is
sure of the wrong answer to one such string can lose its certificate by it, and a pool lacks some of them."""

NOT_SHORT = (0.3, 0.5)
"""Least lengths of the two halves of these, in the longest training length."""

STRINGS_IN_STEP, DIFFERENT_IN_STEP = 3, 8
"""Times as many strings of either kind in a step; where more than the last layer is trained, both are the fewer."""


def distillation_data(
    teacher: CanonicalTransformer,
    generator: np.random.Generator,
    *,
    first_layer: int,
    shortest: float = 0.0,
    own: InputBatch | None = None,
    rare: bool = False,
) -> tuple[Pool, ...]:
    """Pools to visit in turn: two thirds of the batches have the training lengths, one third is longer.

    ``shortest``, in longest training lengths, leaves out the shorter strings: to a causal language model all of these
    are beginnings of longer ones, and nothing is learned from padding; other models get every length.
    Where the positions end before ``CERTIFICATE_LONGER`` training lengths, the longer ones are as long as fits; where
    nothing longer fits, all have the training lengths. ``own`` are a user's strings, to which half of the batches of
    training lengths go; ``rare`` adds more that reach a rare state to those of training lengths. A classifier sees
    different strings in half of the batches, or in a third of them.
    """
    task, is_classifier = teacher.task, teacher.architecture.is_classifier
    high = _longest(teacher)
    shortest = shortest if teacher.architecture.causal and not is_classifier else 0.0
    known = (max(task.min_length, int(shortest * task.max_length)), task.max_length)
    beyond = (max(task.max_length, int(max(0.5, shortest) * high)), high) if high > task.max_length else known
    if is_classifier:
        return _for_classifier(teacher, generator, first_layer, beyond, own)
    drawn = draw_inputs(task, SEQUENCES, generator, lengths=known)
    if rare and (seldom := draw_rare(task, generator, RARE_SEQUENCES)) is not None:
        drawn = joined(drawn, seldom)
    short = pools_of(teacher, drawn, first_layer, BATCH)
    long = pools_of(teacher, draw_inputs(task, LONG_SEQUENCES, generator, lengths=beyond), first_layer, LONG_BATCH)
    second = short if own is None else pools_of(teacher, own, first_layer, BATCH)
    return tuple(_in_turn(short, second, long))


def _longest(teacher: CanonicalTransformer) -> int:
    """Brackets in the longest strings that are taught."""
    limit, wanted = teacher.architecture.max_positions, int(CERTIFICATE_LONGER * teacher.task.max_length)
    return wanted if limit is None else min(wanted, limit - 2)  # START and END


def _for_classifier(
    teacher: CanonicalTransformer,
    generator: np.random.Generator,
    first_layer: int,
    beyond: tuple[int, int],
    own: InputBatch | None,
) -> tuple[Pool, ...]:
    """Strings as they are drawn, different ones, longer ones where they fit, and the user's, in turn."""
    task = teacher.task
    low, high = task.min_length, task.max_length
    times = DIFFERENT_IN_STEP if first_layer == teacher.architecture.layers - 1 else STRINGS_IN_STEP
    drawn = draw_inputs(task, STRINGS * SEQUENCES, generator, lengths=(low, high))
    if low < int(SHORT * high):  # two lengths, of which one is that of words
        drawn = joined(drawn, each_once(draw_inputs(task, SHORT_DRAWS, generator, lengths=(low, int(SHORT * high)))))
    halves = [(max(low, min(int(share * high), high - 1)), high) for share in NOT_SHORT]
    several = [_different(teacher, DIFFERENT_STRINGS * SEQUENCES, generator, halves)]
    if beyond[1] > high:
        several.append(_different(teacher, STRINGS * SEQUENCES, generator, [beyond]))
    kinds = [pools_of(teacher, drawn, first_layer, STRINGS_IN_STEP * BATCH)]
    kinds += [pools_of(teacher, one, first_layer, times * BATCH) for one in several]
    if own is not None:
        kinds.append(pools_of(teacher, own, first_layer, STRINGS_IN_STEP * BATCH))
    return tuple(_in_turn(*kinds))


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


def _different(
    teacher: CanonicalTransformer, count: int, generator: np.random.Generator, lengths: Sequence[tuple[int, int]]
) -> InputBatch:
    """Strings of some ranges of lengths, each of them once.

    A twin errs most on corrupted words of which the original is sure, and on what lies near its decision boundary: of
    half as many further draws those join that are no words, and an eighth that the original is least sure of.
    """
    parts = [draw_inputs(teacher.task, count // len(lengths), generator, lengths=one) for one in lengths]
    more = draw_inputs(teacher.task, max(2, count // 2), generator, lengths=lengths[-1])
    corrupted = torch.arange(len(more)) % 2 == 0
    nearest = _certainty(teacher, more).argsort(stable=True)[: len(more) // 8]
    corrupted[nearest] = True
    return each_once(reduce(joined, [*parts, more.rows(corrupted.nonzero().flatten())]))


def each_once(inputs: InputBatch) -> InputBatch:
    """Without the strings that came before, in the same order."""
    _, places = np.unique(inputs.tokens.numpy(), axis=0, return_index=True)
    return inputs.rows(torch.from_numpy(np.sort(places)))


@torch.no_grad()
def _certainty(teacher: CanonicalTransformer, inputs: InputBatch) -> Tensor:
    """By how much the most probable class leads, in nats, [sequence]."""
    found = torch.empty(len(inputs), dtype=teacher.dtype)
    for rows, part in inputs.batches():
        best = teacher(part.tokens, fast=True).log_softmax(-1).topk(2, dim=-1).values
        found[rows] = best[:, 0] - best[:, 1]
    return found


def pools_of(teacher: CanonicalTransformer, inputs: InputBatch, first_layer: int, batch: int) -> list[Pool]:
    """One pool; where a model reads its padding, one for each range of lengths that is run together."""
    if teacher.hides_padding:
        return [make_pool(teacher, inputs, first_layer=first_layer, batch=batch)]
    parts = [part for _, part in inputs.batches(tokens=inputs.tokens.numel())]
    return [make_pool(teacher, part, first_layer=first_layer, batch=batch) for part in parts]


def _in_turn(*kinds: Sequence[Pool]) -> list[Pool]:
    """The pools of each kind in turn, until each was visited once at least."""
    rounds = max(len(kind) for kind in kinds)
    return [kind[number % len(kind)] for number in range(rounds) for kind in kinds]
