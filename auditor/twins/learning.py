"""Twins that only learn the original's outputs: new starts, each of them gone on with.

What goes on with a classifier also learns the strings on which it errs most (``hard_strings``), and does so oftener:
its KL on strings that it did not learn from is larger than on those that it did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import TransformRequest
from auditor.records.values import whole
from auditor.twins.distillation import Pool
from auditor.twins.distillation_data import distillation_data, own_strings
from auditor.twins.hard_strings import HardStrings
from auditor.twins.ladder import Attempt, Climbed, Judge, Progress, Rung, budget_by_plan, climb, no_objective

GENTLER = 0.5
"""Learning rate of an attempt that goes on, in that of a new start."""

CONTINUED, CLASSIFIER_CONTINUED = 1, 4
"""Times that each start is gone on with, by half as many steps."""


@dataclass(frozen=True)
class Lesson:
    """What one attempt learns from, in how many optimiser steps, and whether its student was taught before."""

    teacher: CanonicalTransformer
    pools: Sequence[Pool]
    steps: int
    generator: np.random.Generator
    progress: Progress
    goes_on: bool = False

    @property
    def share(self) -> float:
        """Of the highest learning rate."""
        return GENTLER if self.goes_on else 1.0


Start = Callable[[CanonicalTransformer, int, np.random.Generator], CanonicalTransformer]
"""(original in float32, number of the new start from 0, its generator) → a student."""

Learn = Callable[[CanonicalTransformer, Lesson], None]
"""Trains a student in place."""


def the_original(teacher: CanonicalTransformer, _number: int, _generator: np.random.Generator) -> CanonicalTransformer:
    """A start from a copy of it."""
    return teacher.clone()


def learned(
    request: TransformRequest, start: Start, learn: Learn, *, steps: int, judge: Judge = no_objective
) -> tuple[Climbed, int]:
    """The search for a twin, in float32, and the number of the start that the best one comes from.

    ``steps`` are the optimiser steps of a start unless the plan says otherwise.
    """
    lessons = _Lessons(request, start, learn, whole(request.parameters, "steps", steps))
    best = climb(
        lessons.next_rung,
        request.model,
        budget=budget_by_plan(request, steps),
        generator=request.generator,
        progress=request.progress,
        judge=judge,
    )
    return best, best.chosen // (1 + lessons.continued)


class _Lessons:
    """The rungs of a search, and the strings of its attempts."""

    def __init__(self, request: TransformRequest, start: Start, learn: Learn, steps: int) -> None:
        self._start, self._learn, self._steps = start, learn, steps
        self._teacher = request.model.clone(dtype=torch.float32)
        self._pools = distillation_data(self._teacher, request.generator, first_layer=0, own=own_strings(request))
        self._hard: HardStrings | None = None  # of a classifier, once one is gone on with
        self._is_classifier = request.model.architecture.is_classifier
        self.continued = CLASSIFIER_CONTINUED if self._is_classifier else CONTINUED

    def next_rung(self, attempts: Sequence[Attempt]) -> Rung:
        """A new start, then going on from it, in turn."""
        number, since = divmod(len(attempts), 1 + self.continued)
        return self._new(number) if since == 0 else self._more(len(attempts) - 1)

    def _new(self, number: int) -> Rung:
        def make(
            _before: CanonicalTransformer | None, generator: np.random.Generator, progress: Progress
        ) -> CanonicalTransformer:
            student = self._start(self._teacher, number, generator)
            self._learn(student, Lesson(self._teacher, self._pools, self._steps, generator, progress))
            return student

        return Rung(f"start {number}", self._steps, make)

    def _more(self, origin: int) -> Rung:
        fewer = max(1, self._steps // 2)

        def make(
            before: CanonicalTransformer | None, generator: np.random.Generator, progress: Progress
        ) -> CanonicalTransformer:
            student = self._teacher.clone() if before is None else before
            pools = (*self._pools, *self._hardest(student, generator))
            self._learn(student, Lesson(self._teacher, pools, fewer, generator, progress, goes_on=True))
            return student

        return Rung(f"going on from attempt {origin}", fewer, make, origin)

    def _hardest(self, student: CanonicalTransformer, generator: np.random.Generator) -> list[Pool]:
        if not self._is_classifier:
            return []
        if self._hard is None:
            self._hard = HardStrings(self._teacher, generator, first_layer=0, steps=self._steps)
        return self._hard.hardest(student)
