"""Which of several attempts is handed on, and that nothing but seeds and counts decides it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.seeds import numpy_generator
from auditor.twins import restarts
from auditor.twins.restarts import Best, Objective, best_of
from tests.handmade import PLAIN, random_model

FAR, NEAR, SAME = 3.0, 0.2, 0.0
"""Output biases moved by so much fail by far, fail by less, and change nothing."""


@pytest.fixture(autouse=True)
def _few_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    """800: the fewest with which an unchanged model passes every margin; a certificate asks 400 longer ones."""
    monkeypatch.setattr(restarts, "SEARCH", 800)


def _search(amounts: list[float], *, allowed: int, reached: tuple[bool, ...] = (True, True, True)) -> tuple[Best, int]:
    """The best of twins whose answers are moved by ``amounts``, and how many were made."""
    model = random_model(PLAIN, dtype=torch.float32)
    made: list[CanonicalTransformer] = []

    def make(number: int, _generator: np.random.Generator, _progress: object) -> CanonicalTransformer:
        twin = model.clone()
        with torch.no_grad():
            twin.b_U[4] += amounts[number]
        made.append(twin)
        return twin

    def judge(twin: CanonicalTransformer, _search: InputBatch) -> Objective:
        number = next(index for index, one in enumerate(made) if one is twin)
        return Objective(reached[number], {"number": number})

    found = best_of(
        make,
        model,
        restarts=allowed,
        generator=numpy_generator(0, "restarts"),
        progress=lambda _share, _words: None,
        judge=judge,
    )
    return found, len(made)


@pytest.mark.parametrize(
    ("amounts", "reached", "chosen", "made"),
    [
        ([SAME, FAR, NEAR], (True, True, True), 0, 1),  # the first that passes ends the search
        ([FAR, SAME, NEAR], (True, True, True), 1, 2),
        ([FAR, NEAR, FAR], (True, True, True), 1, 3),  # none passes: the lowest KL
        ([SAME, SAME, FAR], (False, True, True), 1, 2),  # what passes without reaching its aim is not enough
        ([SAME, NEAR, FAR], (False, True, True), 0, 3),  # but better than what reaches it and fails
    ],
)
def test_the_first_good_attempt_ends_the_search_and_otherwise_the_best_is_taken(
    amounts: list[float], reached: tuple[bool, ...], chosen: int, made: int
) -> None:
    found, count = _search(amounts, allowed=3, reached=reached)
    assert (found.chosen, count) == (chosen, made)
    attempts = found.to_json()["attempts"]
    assert [attempt["number"] for attempt in attempts] == list(range(made))
    assert [bool(attempt["failures"]) for attempt in attempts] == [amount != SAME for amount in amounts[:made]]


def test_a_single_attempt_is_left_to_its_certificate() -> None:
    found, count = _search([FAR], allowed=1)
    assert (count, found.chosen, found.attempts) == (1, 0, ())


def test_attempts_draw_from_different_streams_that_one_seed_fixes() -> None:
    def drawn() -> list[float]:
        numbers: list[float] = []

        def make(_number: int, generator: np.random.Generator, _progress: object) -> CanonicalTransformer:
            numbers.append(float(generator.random()))
            twin = model.clone()
            with torch.no_grad():
                twin.b_U[4] += FAR
            return twin

        best_of(make, model, restarts=3, generator=numpy_generator(1, "x"), progress=lambda _share, _words: None)
        return numbers

    model = random_model(PLAIN, dtype=torch.float32)
    first, again = drawn(), drawn()
    assert first == again
    assert len(set(first)) == 3


def test_progress_of_the_attempts_adds_up() -> None:
    seen: list[float] = []
    model = random_model(PLAIN, dtype=torch.float32)

    def make(number: int, _generator: np.random.Generator, progress: restarts.Progress) -> CanonicalTransformer:
        progress(0.5, "half")
        twin = model.clone()
        with torch.no_grad():
            twin.b_U[4] += FAR if number == 0 else SAME
        return twin

    best_of(
        make,
        model,
        restarts=2,
        generator=numpy_generator(2, "x"),
        progress=lambda share, words: seen.append(share) if "half" in words else None,
    )
    assert seen == [0.25, 0.75]
