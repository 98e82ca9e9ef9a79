"""The one training set of a family, the batches of each seed, and the losses of a stack on them.

Their data seeds are fixed, so all models of a family learn from the same strings, in another order each. Strings of a
batch are sorted by length and run in pieces, which spares padding and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from auditor.language.sampling import Sample
from auditor.language.task import Task
from auditor.measures.balance import towers
from auditor.records import Json
from auditor.reproduction.cohort import Cohort
from auditor.reproduction.families import BATCH, TRAINING_TOKENS, Family, untrained
from auditor.seeds import numpy_generator
from auditor.training.stacked import Stack, StackedSchedule

PIECES = (50, 75, 88, 100)
"""Where a batch of words sorted by length is cut, in percent: most words are short."""

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingSet:
    """What a family learns from; ``tokens`` [string, position] with START and END, padded."""

    family: Family
    given: Sample

    @property
    def steps_per_epoch(self) -> int:
        """Batches, the last one smaller."""
        return -(-len(self.given) // BATCH)

    def rows(self, seed: int, step: int) -> Ids:
        """Which strings a seed learns from at a step; every epoch visits each string once, in a new order."""
        epoch, place = divmod(step, self.steps_per_epoch)
        generator = numpy_generator(seed, "reproduction", self.family.name, "order", epoch)
        order: Ids = generator.permutation(len(self.given))
        return order[place * BATCH : (place + 1) * BATCH]

    def pieces(self, seeds: Sequence[int], step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(inputs, labels) of a step in pieces of like length, int64 [seed, string, position]; label −1 is padding."""
        chosen = np.stack([self.rows(seed, step) for seed in seeds])
        order = np.argsort(self.given.lengths[chosen], axis=1, kind="stable")
        chosen = np.take_along_axis(chosen, order, axis=1)
        size, start = chosen.shape[1], 0
        for percent in (100,) if self.family.prefixes else PIECES:
            stop = size * percent // 100
            if stop == start:
                continue
            part = chosen[:, start:stop]
            lengths = self.given.lengths[part]
            tokens = self.given.tokens[part][:, :, : int(lengths.max())]
            inside = np.arange(tokens.shape[2] - 1) < (lengths - 1)[:, :, None]
            labels = np.where(inside, tokens[:, :, 1:], -1)
            yield torch.from_numpy(tokens[:, :, :-1].copy()), torch.from_numpy(labels)
            start = stop


def training_set(family: Family, *, tokens: int = TRAINING_TOKENS) -> TrainingSet:
    """Strings until they have so many tokens, END counted and START not."""
    return TrainingSet(family, _strings(family.task, tokens))


@lru_cache(maxsize=4)
def _strings(task: Task, tokens: int) -> Sample:
    """The same for all families of a task."""
    drawn = task.draw(max(2, tokens // 4), numpy_generator(0, "reproduction", "training set", int(task.prefixes)))
    until = int(np.searchsorted(np.cumsum(drawn.lengths - 1), tokens)) + 1
    return drawn.rows(slice(until))


def losses_at(stack: Stack, data: TrainingSet, seeds: Sequence[int], step: int) -> Tensor:
    """Mean −log p(closing bracket) where one closes next, and the regulariser, [seed]. Softmax over all logits."""
    closing = torch.tensor(data.family.task.language.vocabulary.closing)
    loss, count, change, positions = (torch.zeros(len(seeds)) for _ in range(4))
    for inputs, labels in data.pieces(seeds, step):
        logits = stack.logits(inputs)
        wanted = torch.isin(labels, closing)
        each = F.cross_entropy(logits.flatten(0, 2), labels.clamp_min(0).flatten(), reduction="none").view_as(labels)
        loss = loss + (each * wanted).sum((1, 2))
        count = count + wanted.sum((1, 2))
        if data.family.contrast:
            given = labels >= 0
            prefix = torch.stack([balanced_prefix(data.family, seed, step) for seed in seeds])
            change = change + (squared_change(stack, prefix, inputs, logits) * given).sum((1, 2))
            positions = positions + given.sum((1, 2))
    found: Tensor = loss / count.clamp_min(1)
    return found + data.family.contrast * change / positions if data.family.contrast else found


def squared_change(stack: Stack, prefix: Tensor, inputs: Tensor, logits: Tensor) -> Tensor:
    """Mean over tokens of (logits(p ⊕ x) − logits(x))² at the positions of x, [seed, string, position].

    ``prefix`` [seed, position] stands before START.
    """
    in_front = prefix[:, None].expand(-1, inputs.shape[1], -1)
    prefixed = stack.logits(torch.cat([in_front, inputs], dim=2))[:, :, prefix.shape[1] :]
    return (logits - prefixed).square().mean(-1)


def balanced_prefix(family: Family, seed: int, step: int) -> Tensor:
    """(a a^D)… (b b^D): the tower of each type, with one more pair of random type and depth in the first of them.

    int64 [position], 2kD + 2 of them.
    """
    task = family.task
    vocabulary, tower = task.language.vocabulary, towers(task)
    generator = numpy_generator(seed, "reproduction", family.name, "prefix", step)
    extra, below = int(generator.integers(task.language.types)), int(generator.integers(task.language.depth))
    return torch.tensor([*tower[:below], vocabulary.opening[extra], vocabulary.closing[extra], *tower[below:]])


def cohort(family: Family, *, share: float = 1.0, least_steps: int = 1, tokens: int = TRAINING_TOKENS) -> Cohort:
    """How a family is trained: their number of epochs, or a share of its steps."""
    data = training_set(family, tokens=tokens)
    steps = max(least_steps, round(share * family.epochs * data.steps_per_epoch))
    facts: dict[str, Json] = {
        "study": "wen2023",
        "family": family.name,
        "architecture": family.architecture.to_json(),
        "task": family.task.to_json(),
        "contrast": family.contrast,
        "strings": len(data.given),
    }
    return Cohort(
        name=family.name,
        summary=family.summary,
        schedule=StackedSchedule(steps, family.learning_rate),
        start=partial(untrained, family),
        losses=lambda stack, seeds, step: losses_at(stack, data, seeds, step),
        facts=facts,
    )
