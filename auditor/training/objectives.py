"""What training minimises: one objective per kind of task. It makes batches, which compute their own loss.

next_token, closing_bracket: mean −log p(next token) over the outputs that the task covers, the softmax over all logits.
classifier: mean −log p(class) over labelled strings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.language.corruption import LabelledStrings, labelled_strings
from auditor.language.grammar import Ids, states
from auditor.language.sampling import Sample
from auditor.language.task import Task

CLOSING_MARGIN = 0.8
"""Closing accuracy requires p(correct) / Σ p(closing) above this (Wen et al. 2023, section 4)."""


class Batch(Protocol):
    """A piece of training data."""

    def loss(self, model: CanonicalTransformer) -> Tensor:
        """Mean loss in nats."""
        ...

    def accuracy(self, model: CanonicalTransformer) -> float:
        """Share of decisions that are right."""
        ...


class Objective(Protocol):
    """The data of one kind of task."""

    def batches(self, count: int, size: int, generator: np.random.Generator) -> Iterator[Batch]:
        """``count`` batches of ``size`` sequences, drawn in one call of the sampler."""
        ...


def objective_of(task: Task, *, contrast: float = 0.0) -> Objective:
    """The objective that a task names. ``contrast`` is the weight of the balance regulariser of language models."""
    return Classification(task) if task.objective == "classifier" else LanguageModelling(task, contrast)


@dataclass(frozen=True)
class LanguageModelling:
    """Next-token prediction, everywhere or only where a bracket closes.

    With ``contrast`` > 0 the loss grows by contrast · E‖logits(p s) − logits(s)‖² / vocabulary over the scored
    outputs of s, for random balanced prefixes p: what follows a balanced prefix should be read as if the prefix were
    not there (the contrastive regularisation of Wen et al. 2023, arXiv 2312.01429, section 4, on the logits).
    """

    task: Task
    contrast: float = 0.0

    def batches(self, count: int, size: int, generator: np.random.Generator) -> Iterator[Batch]:
        """Sequences in distribution; all prefixes of a batch have one random length."""
        drawn = self.task.draw(size * count, generator)
        for index in range(count):
            prefix = self._prefixes(size, generator) if self.contrast else None
            yield LanguageBatch(
                self.task, drawn.rows(slice(index * size, (index + 1) * size)), prefix, weight=self.contrast
            )

    def _prefixes(self, count: int, generator: np.random.Generator) -> Ids:
        length = 2 * int(generator.integers(1, max(1, self.task.max_length // 2) + 1))
        first = 0 if self.task.language.vocabulary.start is None else 1
        return self.task.draw(count, generator, lengths=(length, length)).tokens[:, first : first + length]


@dataclass(frozen=True)
class LanguageBatch:
    """Sequences with the balanced prefixes [batch, position] that the regulariser puts in front of them."""

    task: Task
    given: Sample
    prefix: Ids | None = None
    weight: float = 0.0

    def loss(self, model: CanonicalTransformer) -> Tensor:
        """Mean −log p(next token) over the scored outputs, nats, and the regulariser."""
        logits = model(_tensor(self.given.inputs), fast=True)
        labels = _tensor(self.given.tokens[:, 1:])
        wanted = torch.from_numpy(self._trained_positions())
        total = F.cross_entropy(logits[wanted], labels[wanted], reduction="sum")
        loss = total / max(1, int(wanted.sum()))  # a small batch of prefixes may have nothing to learn from
        return loss if self.prefix is None else loss + self.weight * self._change_by(self.prefix, model, logits)

    @torch.no_grad()
    def accuracy(self, model: CanonicalTransformer) -> float:
        """Closing accuracy: share of positions with an open bracket where p(correct) / Σ p(closing) > 0.8."""
        found = states(model.task.language, self.given.inputs)
        open_ = torch.from_numpy(self.given.input_mask & (found.depth > 0))
        logits = model(_tensor(self.given.inputs), fast=True)[open_]
        among_closing = logits[:, list(model.task.language.vocabulary.closing)].softmax(-1)
        correct = among_closing.gather(1, torch.from_numpy(found.top)[open_].unsqueeze(1))
        return float((correct > CLOSING_MARGIN).double().mean())

    def _trained_positions(self) -> NDArray[np.bool_]:
        """[batch, position] True where the label counts; closing-bracket models: only where a bracket closes next."""
        if self.task.objective == "closing_bracket":
            closing = np.isin(self.given.tokens[:, 1:], self.task.language.vocabulary.closing)
            return closing & self.given.input_mask
        return self.given.input_mask

    def _change_by(self, prefix: Ids, model: CanonicalTransformer, logits: Tensor) -> Tensor:
        """Mean squared change of the scored logits when balanced brackets stand in front."""
        inputs, task = self.given.inputs, self.task
        first = 0 if task.language.vocabulary.start is None else 1
        with_prefix = np.concatenate([inputs[:, :first], prefix, inputs[:, first:]], axis=1)
        prefixed = model(_tensor(with_prefix), fast=True)[:, first + prefix.shape[1] :]
        scored = torch.from_numpy(task.scored(self.given, states(task.language, inputs)))[:, first:]
        change = (logits[:, first:] - prefixed).square().mean(-1)
        mean: Tensor = (change * scored).sum() / scored.sum().clamp_min(1)
        return mean


@dataclass(frozen=True)
class Classification:
    """Whether the string is a word of the language: two classes; words alternate with others."""

    task: Task

    def batches(self, count: int, size: int, generator: np.random.Generator) -> Iterator[Batch]:
        """Words and corrupted words in equal numbers."""
        drawn = labelled_strings(
            self.task.language,
            count=size * count,
            generator=generator,
            min_length=self.task.min_length,
            max_length=self.task.max_length,
            open_probability=self.task.open_probability,
            reads_end=self.task.reads_end,
        )
        for index in range(count):
            yield ClassBatch(drawn.rows(slice(index * size, (index + 1) * size)))


@dataclass(frozen=True)
class ClassBatch:
    """Strings with their classes."""

    given: LabelledStrings

    def loss(self, model: CanonicalTransformer) -> Tensor:
        """Mean −log p(class), nats."""
        return F.cross_entropy(model(_tensor(self.given.tokens), fast=True), _tensor(self.given.classes))

    @torch.no_grad()
    def accuracy(self, model: CanonicalTransformer) -> float:
        """Share of strings whose class has the largest logit."""
        right = model(_tensor(self.given.tokens), fast=True).argmax(-1) == _tensor(self.given.classes)
        return float(right.double().mean())


def _tensor(array: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
