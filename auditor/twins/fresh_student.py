"""Random weights that learn a model's outputs: a second model of the same function, from another seed."""

from __future__ import annotations

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import TransformRequest
from auditor.twins.distillation import Schedule
from auditor.twins.distillation_data import teach
from auditor.twins.fresh_start import fresh_start
from auditor.twins.ladder import Climbed
from auditor.twins.learning import Lesson, learned

STEPS = 3_000
"""Optimiser steps unless the plan says otherwise."""

PEAK = 5e-3
"""Highest learning rate."""


def distilled_from_scratch(request: TransformRequest) -> Climbed:
    """The best student, in float32, of several starts; ``parameters`` says the steps and restarts."""
    best, _ = learned(request, lambda teacher, _number, generator: fresh_start(teacher, generator), _learn, steps=STEPS)
    return best


def _learn(student: CanonicalTransformer, lesson: Lesson) -> None:
    schedule = Schedule(lesson.steps, lesson.share * PEAK)
    teach(student, lesson.pools, schedule=schedule, generator=lesson.generator, progress=lesson.progress)
