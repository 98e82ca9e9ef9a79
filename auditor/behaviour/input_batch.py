"""Sequences with everything that is known about them: what models are run on and judged by."""

from __future__ import annotations

from bisect import bisect_right
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
class Evidence:
    """A batch of inputs. All fields are [sequence, position].

    ``real`` is False on padding; ``covered`` is True where the training objective constrains the output (nowhere else
    may a model be judged). ``depth``, ``top`` and ``opener`` describe the stack after each token (−1: empty).
    """

    task: Task
    tokens: Tokens
    real: Tensor
    covered: Tensor
    depth: Tensor
    top: Tensor
    opener: Tensor

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

    @property
    def states(self) -> States:
        """The stack states as the grammar's record, without matches."""
        depth, top, opener = (t.numpy() for t in (self.depth, self.top, self.opener))
        return States(depth, top, opener, np.full_like(opener, -1), np.ones(depth.shape, dtype=bool))

    def rows(self, index: Tensor | slice) -> Evidence:
        """Some of the sequences, trimmed to the longest of them."""
        width = max(1, int(self.real[index].sum(1).max())) if len(self.real[index]) else 1
        names = ("tokens", "real", "covered", "depth", "top", "opener")
        return replace(self, **{name: getattr(self, name)[index][:, :width] for name in names})

    def batches(self, *, tokens: int = BATCH_TOKENS) -> Iterator[tuple[Tensor, Evidence]]:
        """(rows, evidence) pieces of at most ``tokens`` tokens or one sequence, sequences of like length together."""
        order = torch.argsort(self.real.sum(1), stable=True)
        lengths = self.real.sum(1)[order].tolist()
        start = 0
        while start < len(order):
            stop = start + 1
            fits = bisect_right(lengths, MOST_SPREAD * lengths[start])
            while stop < fits and lengths[stop] * (stop + 1 - start) <= tokens:
                stop += 1
            rows = order[start:stop]
            yield rows, self.rows(rows)
            start = stop

    def unpadded(self, *, tokens: int = BATCH_TOKENS) -> Iterator[tuple[Tensor, Evidence]]:
        """(rows, evidence) pieces of one length each: nothing is spent on padding, and no model reads it."""
        for rows, part in self.batches(tokens=tokens):
            lengths = part.real.sum(1)
            for length in sorted(set(lengths.tolist())):
                index = (lengths == length).nonzero().flatten()
                yield rows[index], part.rows(index)


@dataclass(frozen=True)
class Rewritten:
    """Inputs before and after an input move, row for row.

    Only decisions that exist in both stay ``covered``, in the same order: the n-th covered output of a row before
    answers to the n-th covered output of the same row after.
    """

    before: Evidence
    after: Evidence


def evidence_of(task: Task, given: Sample) -> Evidence:
    """Evidence from a sample: inputs are all columns but the last.

    The last token of a sequence is only a label: in a batch of longer ones padding stands in its place, so that no
    bidirectional model reads it.
    """
    inputs = np.where(given.input_mask, given.inputs, _filler(task))
    found = states(task.language, inputs)
    covered = task.covered(given, found)
    return Evidence(
        task=task,
        tokens=torch.from_numpy(np.ascontiguousarray(inputs)),
        real=torch.from_numpy(given.input_mask),
        covered=torch.from_numpy(covered),
        depth=torch.from_numpy(found.depth),
        top=torch.from_numpy(found.top),
        opener=torch.from_numpy(found.opener),
    )


def draw_evidence(
    task: Task, count: int, generator: np.random.Generator, *, lengths: tuple[int, int] | None = None
) -> Evidence:
    """Fresh evidence in distribution, or of other lengths. Every sequence has at least one covered position.

    Raises:
        LanguageError: the task covers nothing in sequences of these lengths.
    """
    if lengths is not None:
        task = replace(task, min_length=lengths[0], max_length=lengths[1])
    found = evidence_of(task, task.draw(count, generator))
    found = found.rows(found.covered.any(1))
    for _ in range(_REDRAWS):
        missing = count - len(found)
        if not missing:
            return found
        more = evidence_of(task, task.draw(2 * missing, generator))
        found = _joined(found, more.rows(more.covered.any(1)), count)
    raise LanguageError(
        f"sequences of length {task.min_length} to {task.max_length} without a covered output",
        expected="sequences long enough to leave a bracket open",
    )


_REDRAWS = 50
"""Draws before the task is refused."""


def _joined(first: Evidence, second: Evidence, count: int) -> Evidence:
    width = max(first.tokens.shape[1], second.tokens.shape[1])
    fill = {"tokens": _filler(first.task), "real": False, "covered": False, "depth": 0, "top": -1, "opener": -1}

    def widened(part: Evidence, name: str) -> Tensor:
        value = getattr(part, name)
        return torch.nn.functional.pad(value, (0, width - value.shape[1]), value=fill[name])

    both = {name: torch.cat([widened(first, name), widened(second, name)])[:count] for name in fill}
    return Evidence(task=first.task, **both)


def _filler(task: Task) -> int:
    """What stands behind the end of a sequence: PAD, or any bracket where the vocabulary has none."""
    vocabulary = task.language.vocabulary
    return vocabulary.opening[0] if vocabulary.pad is None else vocabulary.pad
