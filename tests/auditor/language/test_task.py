"""The reference distribution of a task, by walking every path of its generator."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from auditor.errors import ConfigurationError
from auditor.language.grammar import Dyck, states
from auditor.language.task import Task
from auditor.language.vocabulary import Vocabulary
from auditor.seeds import numpy_generator
from tests.auditor.language.brute_force import word_probabilities

EXACT = 1e-12
TASK = Task(Dyck.standard(2, 2), min_length=4, max_length=6)


def _enumerated(task: Task, body: tuple[int, ...]) -> np.ndarray:
    """P(next | prefix) from the probabilities of whole words."""
    words = word_probabilities(task.language, q=task.open_probability, least=task.min_length, most=task.max_length)
    vocabulary = task.language.vocabulary
    found = np.zeros(len(vocabulary))
    for word, probability in words.items():
        if word[: len(body)] == body and len(word) > len(body):
            found[word[len(body)]] += probability
        elif word == body and vocabulary.end is not None:
            found[vocabulary.end] += probability
    return found / found.sum()


@pytest.mark.parametrize("limits", list(product((0.3, 0.5), (2, 4, 6))))
def test_complete_strings_are_conditioned_on_ending_in_time(limits: tuple[float, int]) -> None:
    q, least = limits
    task = replace(TASK, min_length=least, open_probability=q)
    words = word_probabilities(task.language, q=q, least=least, most=6)
    for word in list(words)[::3]:
        reference = task.reference(states(task.language, np.asarray([[2, *word]])))[0]
        for length in range(len(word) + 1):
            np.testing.assert_allclose(reference[length], _enumerated(task, word[:length]), rtol=0, atol=EXACT)


def test_without_start_and_end_what_follows_is_always_a_bracket() -> None:
    """The label after an input always exists, so at an empty stack it is an opening bracket."""
    bare = Vocabulary(spellings=("(", "[", ")", "]"), opening=(0, 1), closing=(2, 3))
    task = Task(Dyck(bare, 2), min_length=2, max_length=6)
    for word in word_probabilities(task.language, q=0.5, least=2, most=6):
        reference = task.reference(states(task.language, np.asarray([word])))[0]
        for length in range(1, len(word)):
            np.testing.assert_allclose(reference[length - 1], _enumerated(task, word[:length]), rtol=0, atol=EXACT)


def test_prefixes_never_end_and_open_an_empty_stack() -> None:
    task = replace(TASK, prefixes=True, open_probability=0.25)
    reference = task.reference(states(task.language, np.asarray([[2, 4, 5, 7, 6]])))[0]
    expected = [
        [0, 0, 0, 0, 0.5, 0.5, 0, 0],
        [0, 0, 0, 0, 0.125, 0.125, 0.75, 0],
        [0, 0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0.125, 0.125, 0.75, 0],
        [0, 0, 0, 0, 0.5, 0.5, 0, 0],
    ]
    np.testing.assert_allclose(reference, expected, rtol=0, atol=EXACT)


def test_objectives_cover_what_they_train() -> None:
    drawn = TASK.draw(20, numpy_generator(0, "task"))
    found = states(TASK.language, drawn.inputs)
    assert (TASK.scored(drawn, found) == drawn.input_mask).all()
    closing = replace(TASK, objective="closing_bracket").scored(drawn, found)
    assert (closing == (drawn.input_mask & (found.depth > 0))).all()
    assert 0 < closing.sum() < drawn.input_mask.sum()


def test_other_lengths_can_be_drawn() -> None:
    drawn = TASK.draw(10, numpy_generator(0, "task"), lengths=(20, 22))
    assert set((drawn.lengths - 2).tolist()) <= {20, 22}


def test_json_and_back() -> None:
    task = replace(TASK, objective="closing_bracket", prefixes=True, open_probability=0.4)
    assert Task.from_json(task.to_json()) == task


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"objective": "masked"}, "objective = 'masked'"),
        ({"min_length": 8}, "8 to 6"),
        ({"min_length": "two"}, "min_length"),
        ({"brackets": 3}, "3 bracket types, but the vocabulary has 2"),
    ],
)
def test_a_contradiction_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Task.from_json({**TASK.to_json(), **change})


@pytest.mark.parametrize("field", ["vocabulary", "depth", "objective", "prefixes"])
def test_a_missing_field_is_named(field: str) -> None:
    data = {name: value for name, value in TASK.to_json().items() if name != field}
    with pytest.raises(ConfigurationError, match=field):
        Task.from_json(data)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"colour": 1}, "task: unknown field 'colour'"),
        ({"depth": 3.7}, "depth = 3.7"),
        ({"min_length": "2"}, "min_length = '2'"),
        ({"prefixes": "no"}, "prefixes = 'no'"),
        ({"max_length": True}, "max_length = True"),
        ({"max_length": 10**9}, "at most 10,000"),
        ({"open_probability": 1.5}, "open_probability = 1.5"),
        ({"vocabulary": 5}, "vocabulary = 5"),
    ],
)
def test_a_wrong_field_of_a_description_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Task.from_json(TASK.to_json() | change)
