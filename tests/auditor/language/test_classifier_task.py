"""What a classifier is shown: the whole string, with END behind it where it was trained so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditor.behaviour.input_batch import draw_inputs
from auditor.errors import ConfigurationError
from auditor.language.grammar import Dyck, is_member
from auditor.language.task import Task
from auditor.language.vocabulary import Vocabulary
from auditor.seeds import numpy_generator

VOCABULARY = Vocabulary(("PAD", "(", ")", "START", "END"), opening=(1,), closing=(2,), pad=0, start=3, end=4)
READS_END = Task(Dyck(VOCABULARY, 3), objective="classifier", max_length=8, reads_end=True)


def _inputs(task: Task) -> list[list[int]]:
    inputs = draw_inputs(task, 30, numpy_generator(0, "classifier"))
    pairs = zip(inputs.tokens.numpy(), inputs.not_padding.numpy(), strict=True)
    assert all(np.isin(tokens[~not_padding], [0, 1]).all() for tokens, not_padding in pairs)
    return [
        tokens[not_padding].tolist()
        for tokens, not_padding in zip(inputs.tokens.numpy(), inputs.not_padding.numpy(), strict=True)
    ]


def _every_second_is_a_word(task: Task, shown: list[list[int]]) -> None:
    """Corrupted words and words alternate, so that a classifier sees both classes."""
    assert [is_member(task.language, row) for row in shown] == [index % 2 == 1 for index in range(len(shown))]


def test_end_is_shown_where_it_was_in_training() -> None:
    shown = _inputs(READS_END)
    assert all(row[0] == 3 and row[-1] == 4 for row in shown)
    _every_second_is_a_word(READS_END, shown)
    assert max(map(len, shown)) <= READS_END.longest_input == 10


def test_end_is_not_shown_otherwise() -> None:
    task = replace(READS_END, reads_end=False)
    assert not any(4 in row for row in _inputs(task))
    _every_second_is_a_word(task, _inputs(task))
    assert task.longest_input == 9


def test_without_end_the_last_bracket_is_shown_too() -> None:
    bare = Task(Dyck(Vocabulary(("(x", "(", ")"), opening=(1,), closing=(2,)), 3), objective="classifier", max_length=8)
    _every_second_is_a_word(bare, _inputs(bare))
    assert bare.longest_input == 8


def test_a_language_model_keeps_its_last_token_as_label() -> None:
    task = Task(Dyck(VOCABULARY, 3), max_length=8)
    assert all(row[-1] == 2 for row in _inputs(task))
    assert (task.longest_input, replace(task, prefixes=True).longest_input) == (9, 8)


@pytest.mark.parametrize("change", [{"objective": "next_token"}, {"prefixes": True}])
def test_there_must_be_an_end_to_read(change: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="reads_end"):
        replace(READS_END, **change)


def test_json_and_back_also_without_reads_end() -> None:
    assert Task.from_json(READS_END.to_json()) == READS_END
    without = {name: value for name, value in READS_END.to_json().items() if name != "reads_end"}
    assert Task.from_json(without) == replace(READS_END, reads_end=False)
