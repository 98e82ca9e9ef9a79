"""Trains a canonical model on its task: cross-entropy on every output that the objective covers, over all logits.

Adam (Kingma & Ba 2015, arXiv 1412.6980) with decoupled weight decay, a one-cycle learning rate (Smith & Topin 2019,
arXiv 1708.07120) and gradients clipped to norm 1. One seed gives one model, bit for bit, on one machine with one
thread: every random number comes from a named generator, and no global setting is touched.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.errors import ConfigurationError
from auditor.language.grammar import states
from auditor.language.sampling import Sample
from auditor.language.task import Task
from auditor.seeds import numpy_generator, torch_generator
from auditor.training.initialisation import initialise

Progress: TypeAlias = Callable[[float, str], None]
"""Called with the share done (0 to 1) and a few words; may raise to interrupt."""

WEIGHT_DECAY = 1e-3
GRADIENT_NORM = 1.0
WARM_UP = 0.15
"""Share of the steps in which the learning rate rises."""

DRAWN_TOGETHER = 32
"""Batches per call of the sampler, which is fast only on many sequences."""

CURVE_POINTS = 50
CURVE_SEQUENCES = 128
CLOSING_SEQUENCES = 2_000
CLOSING_MARGIN = 0.8
"""Closing accuracy asks for p(correct) / Σ p(closing) above this (Wen et al. 2023, section 4)."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to train.

    Raises:
        ConfigurationError: a setting that cannot train anything.
    """

    steps: int = 2_500
    batch: int = 64  # sequences per step
    learning_rate: float = 5e-3  # the peak of the cycle

    def __post_init__(self) -> None:
        for name, value in (("training steps", self.steps), ("sequences per batch", self.batch)):
            if value < 1:
                raise ConfigurationError(f"{value} {name}", expected="at least 1")
        if not 0.0 < self.learning_rate <= 1.0:
            raise ConfigurationError(
                f"learning rate {self.learning_rate}", expected="above 0 and at most 1", action="try 0.005"
            )


DEFAULT = Schedule()
"""Enough for two layers on Dyck(2, 4)."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Where training stood after a step."""

    step: int
    loss: float  # mean cross-entropy per covered output since the last point, nats
    closing_accuracy: float  # on a small held-out batch


@dataclass(frozen=True)
class FitResult:
    """A trained model and how its training went."""

    model: CanonicalTransformer
    curve: tuple[CurvePoint, ...]
    closing_accuracy: float  # on CLOSING_SEQUENCES held-out sequences, in distribution
    seconds: float


def _silent(_share: float, _words: str) -> None:
    """Progress that nobody watches."""


def fit(
    architecture: Architecture,
    task: Task,
    *,
    seed: int,
    steps: int = DEFAULT.steps,
    batch: int = DEFAULT.batch,
    learning_rate: float = DEFAULT.learning_rate,
    progress: Progress = _silent,
) -> FitResult:
    """A new model of the task. ``progress`` gets the share done and a few words; it may raise to interrupt.

    Raises:
        ConfigurationError: settings, an architecture or an objective that cannot be trained, or a loss not finite.
    """
    started = time.monotonic()
    schedule = Schedule(steps=steps, batch=batch, learning_rate=learning_rate)
    model = new_model(architecture, task, seed)
    curve = []
    for point in train(model, schedule, seed):
        curve.append(point)
        words = (
            f"step {point.step:,} of {steps:,}: loss {point.loss:.4f}, closing accuracy {point.closing_accuracy:.3f}"
        )
        progress(point.step / steps, words)
    return FitResult(
        model=model,
        curve=tuple(curve),
        closing_accuracy=_closing_accuracy(model, _held_out(task, seed, CLOSING_SEQUENCES)),
        seconds=time.monotonic() - started,
    )


def new_model(architecture: Architecture, task: Task, seed: int) -> CanonicalTransformer:
    """An untrained model, after a check that it can be trained on this task.

    Raises:
        ConfigurationError: the architecture and the task do not fit together, or the objective is a classifier's.
    """
    _check(architecture, task)
    return initialise(CanonicalTransformer(architecture, task), torch_generator(seed, "fit", "weights"))


def train(model: CanonicalTransformer, schedule: Schedule, seed: int) -> Iterator[CurvePoint]:
    """Train in place, one curve point at a time; the model is complete when the iterator ends.

    Raises:
        ConfigurationError: the loss is not finite.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=schedule.learning_rate, weight_decay=WEIGHT_DECAY, fused=True)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=schedule.learning_rate, total_steps=schedule.steps + 1, pct_start=WARM_UP
    )
    held_out = _held_out(model.task, seed, CURVE_SEQUENCES)
    losses: list[float] = []
    for step, given in enumerate(_batches(model.task, schedule, seed), start=1):
        loss = _loss(model, given)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise ConfigurationError(
                f"the loss is {losses[-1]} after {step} steps",
                expected="a finite loss",
                action="lower the learning rate",
            )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, GRADIENT_NORM)
        optimiser.step()
        rates.step()
        if step == schedule.steps or step % math.ceil(schedule.steps / CURVE_POINTS) == 0:
            yield CurvePoint(step, float(np.mean(losses)), _closing_accuracy(model, held_out))
            losses.clear()
    for parameter in trained:
        parameter.grad = None


def _batches(task: Task, schedule: Schedule, seed: int) -> Iterator[Sample]:
    generator = numpy_generator(seed, "fit", "batches")
    for done in range(0, schedule.steps, DRAWN_TOGETHER):
        drawn = task.draw(schedule.batch * DRAWN_TOGETHER, generator)
        for index in range(min(DRAWN_TOGETHER, schedule.steps - done)):
            yield drawn.rows(slice(index * schedule.batch, (index + 1) * schedule.batch))


def _held_out(task: Task, seed: int, count: int) -> Sample:
    return task.draw(count, numpy_generator(seed, "fit", "held out"))


def _loss(model: CanonicalTransformer, given: Sample) -> torch.Tensor:
    """Mean −log p(next token) over the covered outputs, nats; all logits compete."""
    logits = model(torch.from_numpy(np.ascontiguousarray(given.inputs)), fast=True)
    labels = torch.from_numpy(np.ascontiguousarray(given.tokens[:, 1:]))
    wanted = torch.from_numpy(_trained_positions(model.task, given))
    total = F.cross_entropy(logits[wanted], labels[wanted], reduction="sum")
    return total / max(1, int(wanted.sum()))  # a small batch of prefixes may have nothing to learn from


def _trained_positions(task: Task, given: Sample) -> NDArray[np.bool_]:
    """[batch, position] True where the label counts; closing-bracket models: only where a bracket closes next."""
    if task.objective == "closing_bracket":
        return np.isin(given.tokens[:, 1:], task.language.vocabulary.closing) & given.input_mask
    return given.input_mask


@torch.no_grad()
def _closing_accuracy(model: CanonicalTransformer, given: Sample) -> float:
    """Share of positions with an open bracket where p(correct) / Σ p(closing) > 0.8."""
    found = states(model.task.language, given.inputs)
    open_ = torch.from_numpy(given.input_mask & (found.depth > 0))
    logits = model(torch.from_numpy(np.ascontiguousarray(given.inputs)), fast=True)[open_]
    among_closing = logits[:, list(model.task.language.vocabulary.closing)].softmax(-1)
    correct = among_closing.gather(1, torch.from_numpy(found.top)[open_].unsqueeze(1))
    return float((correct > CLOSING_MARGIN).double().mean())


def _check(architecture: Architecture, task: Task) -> None:
    vocabulary = task.language.vocabulary
    if task.objective == "classifier" or architecture.is_classifier:
        raise ConfigurationError(
            "a classifier to train",
            expected="a language model",
            action="train with objective next_token or closing_bracket",
        )
    if not architecture.causal:
        raise ConfigurationError(
            "a bidirectional language model to train: it could read the token it should predict",
            expected="causal = true",
        )
    if architecture.vocabulary_size != len(vocabulary):
        raise ConfigurationError(
            f"an architecture for {architecture.vocabulary_size} tokens and a task with {len(vocabulary)}",
            expected="the same vocabulary size",
        )
    if task.max_length < 2:
        raise ConfigurationError("a task with strings of one bracket", expected="a max_length of at least 2")
    longest = task.max_length + (vocabulary.start is not None) - (task.prefixes or vocabulary.end is None)
    if architecture.max_positions is not None and architecture.max_positions < longest:
        raise ConfigurationError(
            f"{architecture.max_positions} positions for inputs of up to {longest} tokens",
            expected=f"max_positions of at least {longest}",
            action="raise max_positions or lower the task's max_length",
        )
