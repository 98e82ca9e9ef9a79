"""Sequences with everything that is known about them: what models are run on and judged by."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from auditor.errors import LanguageError
from auditor.language.grammar import States, states
from auditor.language.sampling import Sample
from auditor.language.task import Task
from auditor.tensors import Tokens

BATCH_TOKENS = 16_384
"""Tokens run at once: keeps memory flat and the processor's cache warm."""

MOST_SPREAD = 2
"""Longest over shortest sequence run together: bounds what is spent on padding."""


@dataclass(frozen=True)
class InputBatch:
    """A batch of inputs. All fields are [sequence, position].

    ``not_padding`` is False on padding; ``scored`` is True where the training objective constrains the output (nowhere
    else may a model be judged). ``depth``, ``stack_top_type`` and ``opener`` describe the stack after each token (−1:
    empty). ``read_at``, where there is one, limits which positions are read besides: attention rows, say.
    """

    task: Task
    tokens: Tokens
    not_padding: Tensor
    scored: Tensor
    depth: Tensor
    stack_top_type: Tensor
    opener: Tensor
    read_at: Tensor | None = None

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

    @property
    def states(self) -> States:
        """The stack states as the grammar's record, without matches."""
        depth, top, opener = (t.numpy() for t in (self.depth, self.stack_top_type, self.opener))
        return States(depth, top, opener, np.full_like(opener, -1), np.ones(depth.shape, dtype=bool))

    def rows(self, index: Tensor | slice) -> InputBatch:
        """Some of the sequences, trimmed to the longest of them."""
        width = max(1, int(self.not_padding[index].sum(1).max())) if len(self.not_padding[index]) else 1
        names = ("tokens", "not_padding", "scored", "depth", "stack_top_type", "opener")
        read_at = None if self.read_at is None else self.read_at[index][:, :width]
        return replace(self, read_at=read_at, **{name: getattr(self, name)[index][:, :width] for name in names})

    def read(self, where: Tensor) -> Tensor:
        """Those of the positions ``where`` [sequence, position] that may be read."""
        return where if self.read_at is None else where & self.read_at

    def batches(self, *, tokens: int = BATCH_TOKENS) -> Iterator[tuple[Tensor, InputBatch]]:
        """(rows, inputs) pieces of at most ``tokens`` tokens or one sequence, sequences of like length together.

        A classifier whose vocabulary has no PAD cannot tell where a string ends: its strings come by length.
        """
        is_told = self.task.objective != "classifier" or self.task.language.vocabulary.pad is not None
        spread = MOST_SPREAD if is_told else 1
        order = torch.argsort(self.not_padding.sum(1), stable=True)
        lengths = self.not_padding.sum(1)[order].tolist()
        start = 0
        while start < len(order):
            stop = start + 1
            fits = bisect_right(lengths, spread * lengths[start])
            while stop < fits and lengths[stop] * (stop + 1 - start) <= tokens:
                stop += 1
            rows = order[start:stop]
            yield rows, self.rows(rows)
            start = stop

    def unpadded(self, *, tokens: int = BATCH_TOKENS) -> Iterator[tuple[Tensor, InputBatch]]:
        """(rows, inputs) pieces of one length each: nothing is spent on padding, and no model reads it."""
        for rows, part in self.batches(tokens=tokens):
            lengths = part.not_padding.sum(1)
            for length in sorted(set(lengths.tolist())):
                index = (lengths == length).nonzero().flatten()
                yield rows[index], part.rows(index)


@dataclass(frozen=True)
class Rewritten:
    """Inputs before and after an input move, row for row.

    Only decisions that exist in both stay ``scored``, in the same order: the n-th scored output of a row before
    answers to the n-th scored output of the same row after.
    """

    before: InputBatch
    after: InputBatch


def inputs_of(task: Task, given: Sample) -> InputBatch:
    """Inputs from a sample: all its columns but the last.

    The last token of a sequence is only a label: in a batch of longer ones padding stands in its place, so that no
    bidirectional model reads it.
    """
    inputs = np.where(given.input_mask, given.inputs, _filler(task))
    found = states(task.language, inputs)
    scored = task.scored(given, found)
    return InputBatch(
        task=task,
        tokens=torch.from_numpy(np.ascontiguousarray(inputs)),
        not_padding=torch.from_numpy(given.input_mask),
        scored=torch.from_numpy(scored),
        depth=torch.from_numpy(found.depth),
        stack_top_type=torch.from_numpy(found.top),
        opener=torch.from_numpy(found.opener),
    )


def draw_inputs(
    task: Task, count: int, generator: np.random.Generator, *, lengths: tuple[int, int] | None = None
) -> InputBatch:
    """Fresh inputs in distribution, or of other lengths. Every sequence has at least one scored position.

    Raises:
        LanguageError: the task scores nothing in sequences of these lengths.
    """
    if lengths is not None:
        task = replace(task, min_length=lengths[0], max_length=lengths[1])
    found = inputs_of(task, task.draw(count, generator))
    found = found.rows(found.scored.any(1))
    for _ in range(_REDRAWS):
        missing = count - len(found)
        if not missing:
            return found
        more = inputs_of(task, task.draw(2 * missing, generator))
        found = joined(found, more.rows(more.scored.any(1)), count)
    raise LanguageError(
        f"sequences of length {task.min_length} to {task.max_length} without a scored output",
        expected="sequences long enough to leave a bracket open",
    )


MATCHED_DRAWS = 8
"""Sequences drawn for each that is to be matched in length."""


def as_long_as(inputs: InputBatch, generator: np.random.Generator) -> InputBatch:
    """Fresh inputs of the task with the lengths of others: of each length as many, or as many as are drawn.

    Raises:
        LanguageError: none of these lengths is drawn.
    """
    task = inputs.task
    longer = max(0, int(inputs.not_padding.sum(1).max()) + 1 - task.max_length)
    lengths = (task.min_length, task.max_length + longer)
    drawn = draw_inputs(task, MATCHED_DRAWS * len(inputs), generator, lengths=lengths)
    wanted = Counter(inputs.not_padding.sum(1).tolist())
    kept = []
    for row, length in enumerate(drawn.not_padding.sum(1).tolist()):
        if wanted[length] > 0:
            wanted[length] -= 1
            kept.append(row)
    if not kept:
        raise LanguageError("no sequence as long as the rewritten ones", expected="lengths that the task has")
    return replace(drawn.rows(torch.tensor(kept)), task=task)


_REDRAWS = 50
"""Draws before the task is refused."""


def joined(first: InputBatch, second: InputBatch, count: int | None = None) -> InputBatch:
    """Both batches of one task, the first ``count`` sequences of them."""
    width = max(first.tokens.shape[1], second.tokens.shape[1])
    fill = {
        "tokens": _filler(first.task),
        "not_padding": False,
        "scored": False,
        "depth": 0,
        "stack_top_type": -1,
        "opener": -1,
    }

    def widened(part: InputBatch, name: str) -> Tensor:
        value = getattr(part, name)
        return torch.nn.functional.pad(value, (0, width - value.shape[1]), value=fill[name])

    both = {name: torch.cat([widened(first, name), widened(second, name)])[:count] for name in fill}
    return InputBatch(task=first.task, **both)


def _filler(task: Task) -> int:
    """What stands behind the end of a sequence: PAD, or any bracket where the vocabulary has none."""
    vocabulary = task.language.vocabulary
    return vocabulary.opening[0] if vocabulary.pad is None else vocabulary.pad
