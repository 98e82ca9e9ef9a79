"""Which of several attempts is handed on, and that nothing but seeds and steps decides it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import silent
from auditor.seeds import numpy_generator
from auditor.twins import ladder
from auditor.twins.ladder import Attempt, Climbed, Objective, Progress, Rung, climb
from tests.handmade import PLAIN, random_model

FAR, NEAR, SAME = 3.0, 0.2, 0.0
"""Output biases moved by so much fail by far, fail by less, and change nothing."""


@pytest.fixture(autouse=True)
def _few_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fewest with which an unchanged model passes every margin."""
    monkeypatch.setattr(ladder, "SEARCH", 800)


def _rung(number: int, amount: float, *, start: int | None = None, words: str = "half") -> Rung:
    """A rung of 10 steps that moves the answers of the original, or of an earlier attempt, by an amount."""

    def make(
        before: CanonicalTransformer | None, _generator: np.random.Generator, progress: Progress
    ) -> CanonicalTransformer:
        progress(0.5, words)
        twin = random_model(PLAIN, dtype=torch.float32) if before is None else before
        with torch.no_grad():
            twin.b_U[4] += amount
        return twin

    return Rung(f"rung {number}", 10, make, start)


def _climbed(
    amounts: Sequence[float],
    *,
    budget: int = 100,
    reached: Sequence[bool] = (True, True, True),
    nearness: Sequence[float] = (0.0, 0.0, 0.0),
    largest_kl: float = 1.0,
) -> Climbed:
    judged: list[CanonicalTransformer] = []

    def judge(twin: CanonicalTransformer, _search: InputBatch) -> Objective:
        judged.append(twin)
        number = len(judged) - 1
        return Objective(reached[number], nearness[number], {"number": number})

    def next_rung(attempts: Sequence[Attempt]) -> Rung | None:
        number = len(attempts)
        return _rung(number, amounts[number]) if number < len(amounts) else None

    return climb(
        next_rung,
        random_model(PLAIN, dtype=torch.float32),
        budget=budget,
        generator=numpy_generator(0, "ladder"),
        progress=silent,
        judge=judge,
        largest_kl=largest_kl,
    )


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
    found = _climbed(amounts, reached=reached)
    assert (found.chosen, len(found.attempts)) == (chosen, made)
    attempts = found.to_json()["attempts"]
    assert isinstance(attempts, list)
    assert [attempt["number"] for attempt in attempts] == list(range(made))
    assert [bool(attempt["failures"]) for attempt in attempts] == [amount != SAME for amount in amounts[:made]]


def test_of_those_that_pass_and_do_not_reach_the_aim_the_nearest_is_taken() -> None:
    assert _climbed([SAME, SAME, SAME], reached=(False,) * 3, nearness=(0.1, 0.5, 0.3)).chosen == 1


def test_the_budget_counts_steps_and_the_first_attempt_is_made_in_any_case() -> None:
    assert [len(_climbed([FAR] * 3, budget=budget).attempts) for budget in (0, 19, 20, 30)] == [1, 1, 2, 3]
    assert _climbed([FAR] * 3, budget=25).to_json()["spent_steps"] == 20


@pytest.mark.parametrize(
    ("amounts", "reached", "largest_kl", "words"),
    [
        ([SAME], (True,), 1.0, None),
        ([SAME, SAME], (False, False), 1.0, "no attempt reached the aim"),
        (
            [FAR, NEAR],
            (True, True),
            1.0,
            "of 2 attempts that reached the aim these margins failed: kl_upper95_nats (2)",
        ),
        ([SAME], (True,), -1.0, "mean KL 0 nats, above the -1 of the aim"),
    ],
)
def test_what_binds_is_named_where_no_attempt_reaches_its_aim(
    amounts: list[float], reached: tuple[bool, ...], largest_kl: float, words: str | None
) -> None:
    found = _climbed(amounts, reached=reached, largest_kl=largest_kl)
    assert found.binding is None if words is None else words in str(found.binding)
    assert ("binding" in found.to_json()) == (words is not None)


def test_an_attempt_goes_on_from_a_copy_of_an_earlier_one() -> None:
    model = random_model(PLAIN, dtype=torch.float32)
    rungs = [_rung(0, FAR), _rung(1, FAR, start=0)]

    def next_rung(attempts: Sequence[Attempt]) -> Rung | None:
        return rungs[len(attempts)] if len(attempts) < 2 else None

    found = climb(next_rung, model, budget=100, generator=numpy_generator(0, "x"), progress=silent)
    moved = [float((attempt.model.b_U - model.b_U)[4].detach()) for attempt in found.attempts]
    assert moved == pytest.approx([FAR, 2 * FAR])


def test_attempts_draw_from_different_streams_that_one_seed_fixes() -> None:
    def drawn() -> list[float]:
        numbers: list[float] = []

        def make(
            _before: CanonicalTransformer | None, generator: np.random.Generator, _progress: Progress
        ) -> CanonicalTransformer:
            numbers.append(float(generator.random()))
            twin = random_model(PLAIN, dtype=torch.float32)
            with torch.no_grad():
                twin.b_U[4] += FAR
            return twin

        def next_rung(attempts: Sequence[Attempt]) -> Rung | None:
            return Rung("again", 1, make) if len(attempts) < 3 else None

        model = random_model(PLAIN, dtype=torch.float32)
        climb(next_rung, model, budget=3, generator=numpy_generator(1, "x"), progress=silent)
        return numbers

    first, again = drawn(), drawn()
    assert first == again
    assert len(set(first)) == 3


def test_progress_of_the_attempts_adds_up() -> None:
    seen: list[tuple[float, str]] = []
    rungs = [_rung(0, FAR), _rung(1, SAME)]
    climb(
        lambda attempts: rungs[len(attempts)],
        random_model(PLAIN, dtype=torch.float32),
        budget=20,
        generator=numpy_generator(2, "x"),
        progress=lambda share, words: seen.append((share, words)),
    )
    assert seen == [(0.25, "rung 0: half"), (0.75, "rung 1: half")]
