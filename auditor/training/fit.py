"""Trains a canonical model on its task, by the objective that the task names.

Adam (Kingma & Ba 2015, arXiv 1412.6980) with decoupled weight decay, a one-cycle learning rate (Smith & Topin 2019,
arXiv 1708.07120) and gradients clipped to norm 1. One seed gives one model, bit for bit, on one machine with one
thread: every random number comes from a named generator, and no global setting is touched.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
import torch

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.errors import ConfigurationError
from auditor.language.task import Task
from auditor.seeds import numpy_generator, torch_generator
from auditor.training.initialisation import initialise
from auditor.training.objectives import Batch, objective_of

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
MEASURED_SEQUENCES = 2_000


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to train.

    Raises:
        ConfigurationError: a setting that cannot train anything.
    """

    steps: int = 2_500
    batch: int = 64  # sequences per step
    learning_rate: float = 5e-3  # the peak of the cycle
    contrast: float = 0.0  # weight of the balance regulariser

    def __post_init__(self) -> None:
        for name, value in (("training steps", self.steps), ("sequences per batch", self.batch)):
            if value < 1:
                raise ConfigurationError(f"{value} {name}", expected="at least 1")
        if not 0.0 < self.learning_rate <= 1.0:
            raise ConfigurationError(
                f"learning rate {self.learning_rate}", expected="above 0 and at most 1", action="try 0.005"
            )
        if not 0.0 <= self.contrast <= 1e3:
            raise ConfigurationError(f"balance penalty {self.contrast}", expected="0 to 1000", action="try 0.3")


DEFAULT = Schedule()
"""Enough for two layers on Dyck(2, 4)."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Where training stood after a step."""

    step: int
    loss: float  # mean since the last point, nats
    accuracy: float  # on a small held-out batch: closing accuracy, or that of a classifier


@dataclass(frozen=True)
class FitResult:
    """A trained model and how its training went."""

    model: CanonicalTransformer
    curve: tuple[CurvePoint, ...]
    accuracy: float  # on MEASURED_SEQUENCES held-out sequences: closing accuracy, or that of a classifier
    seconds: float


def _silent(_share: float, _words: str) -> None:
    """Progress that is not shown."""


def fit(
    architecture: Architecture, task: Task, *, seed: int, schedule: Schedule = DEFAULT, progress: Progress = _silent
) -> FitResult:
    """A new model of the task. ``progress`` gets the share done and a few words; it may raise to interrupt.

    Raises:
        ConfigurationError: an architecture or an objective that cannot be trained, or a loss not finite.
    """
    started = time.monotonic()
    model = new_model(architecture, task, seed)
    curve = []
    for point in train(model, schedule, seed):
        curve.append(point)
        words = f"step {point.step:,} of {schedule.steps:,}: loss {point.loss:.4f}, accuracy {point.accuracy:.3f}"
        progress(point.step / schedule.steps, words)
    return FitResult(
        model=model,
        curve=tuple(curve),
        accuracy=_held_out(task, seed, MEASURED_SEQUENCES).accuracy(model),
        seconds=time.monotonic() - started,
    )


def new_model(architecture: Architecture, task: Task, seed: int) -> CanonicalTransformer:
    """An untrained model, after a check that it can be trained on this task.

    Raises:
        ConfigurationError: the architecture and the task do not fit together.
    """
    check_trainable(architecture, task)
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
    for step, batch in enumerate(_batches(model.task, schedule, seed), start=1):
        loss = batch.loss(model)
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
            yield CurvePoint(step, float(np.mean(losses)), held_out.accuracy(model))
            losses.clear()
    for parameter in trained:
        parameter.grad = None


def _batches(task: Task, schedule: Schedule, seed: int) -> Iterator[Batch]:
    generator = numpy_generator(seed, "fit", "batches")
    objective = objective_of(task, contrast=schedule.contrast)
    for done in range(0, schedule.steps, DRAWN_TOGETHER):
        drawn = objective.batches(DRAWN_TOGETHER, schedule.batch, generator)
        yield from islice(drawn, schedule.steps - done)


def _held_out(task: Task, seed: int, count: int) -> Batch:
    return next(iter(objective_of(task).batches(1, count, numpy_generator(seed, "fit", "held out"))))


def check_trainable(architecture: Architecture, task: Task) -> None:
    """Raise ConfigurationError where an architecture and a task cannot be trained together."""
    vocabulary = task.language.vocabulary
    if (task.objective == "classifier") != (architecture.classes == 2):
        raise ConfigurationError(
            f"objective {task.objective} for a model with {architecture.outputs} outputs",
            expected="objective classifier and two classes, or neither",
        )
    if not architecture.causal and not architecture.is_classifier:
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
    if architecture.causal and architecture.read_out == 0:
        raise ConfigurationError(
            "a causal classifier that is read at the first position, from which it sees one token",
            expected="a bidirectional one, or one read at the last token or as a mean",
        )
    if isinstance(architecture.read_out, str) and vocabulary.pad is None:
        raise ConfigurationError(
            f"read_out {architecture.read_out!r} without PAD, which says where a string of a batch ends",
            expected="a vocabulary with PAD",
        )
    longest = task.longest_input
    if architecture.max_positions is not None and architecture.max_positions < longest:
        raise ConfigurationError(
            f"{architecture.max_positions} positions for inputs of up to {longest} tokens",
            expected=f"max_positions of at least {longest}",
            action="raise max_positions or lower the task's max_length",
        )
