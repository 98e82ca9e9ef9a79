"""In which order starts and goings-on come, and what a classifier that is gone on with learns from."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import TransformRequest
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES, task_for
from auditor.twins import ladder, learning
from auditor.twins.learning import Lesson, learned
from tests.handmade import random_model


@dataclass
class Taught:
    """Starts and lessons in the order in which they came; the students learn nothing."""

    starts: list[int] = field(default_factory=list)
    lessons: list[Lesson] = field(default_factory=list)

    def start(self, teacher: CanonicalTransformer, number: int, _generator: object) -> CanonicalTransformer:
        self.starts.append(number)
        student = teacher.clone()
        student.b_U.data[0] += 3.0  # far from the original: no attempt passes
        return student

    def learn(self, _student: CanonicalTransformer, lesson: Lesson) -> None:
        self.lessons.append(lesson)


@pytest.fixture(autouse=True)
def _few_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "SEARCH", 100)
    monkeypatch.setattr("auditor.twins.distillation_data.SEQUENCES", 40)
    monkeypatch.setattr("auditor.twins.distillation_data.SHORT_DRAWS", 400)
    monkeypatch.setattr("auditor.twins.hard_strings.HARDEST", 20)


def _taught(family: str) -> tuple[Taught, int]:
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]))
    generator = numpy_generator(0, "learning")
    request = TransformRequest(
        model, draw_inputs(model.task, 20, generator), generator, parameters={"steps": 8, "restarts": 2}
    )
    found = Taught()
    _, start = learned(request, found.start, found.learn, steps=1_000)
    return found, start


def test_a_language_model_starts_and_goes_on_in_turn() -> None:
    found, start = _taught("plain")
    assert found.starts == [0], "a start of 8 steps, 4 steps more for it, and no room for another start"
    assert [(lesson.steps, lesson.goes_on, lesson.share) for lesson in found.lessons] == [
        (8, False, 1.0),
        (4, True, learning.GENTLER),
    ]
    assert found.lessons[0].pools == found.lessons[1].pools
    assert start == 0


def test_a_classifier_goes_on_with_the_strings_on_which_it_errs_most() -> None:
    found, start = _taught("bidirectional classifier, RMS norm")
    assert found.starts == [0], "half as many steps again: 8 + 4 × 4 = 24"
    assert [lesson.steps for lesson in found.lessons] == [8, 4, 4, 4, 4]
    first, *others = found.lessons
    for lesson in others:
        known, hardest = lesson.pools[: len(first.pools)], lesson.pools[len(first.pools) :]
        assert known == tuple(first.pools)
        assert sum(len(pool) for pool in hardest) == 20
    assert start == 0
