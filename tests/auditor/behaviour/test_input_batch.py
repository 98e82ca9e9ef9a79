"""What models are judged by: labels, states, batches that lose nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor.behaviour.input_batch import InputBatch, draw_inputs, inputs_of
from auditor.errors import LanguageError
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.language.vocabulary import Vocabulary
from auditor.seeds import numpy_generator
from tests.handmade import TASK, inputs_from, naive_stacks


def _drawn(task: Task = TASK, count: int = 40) -> InputBatch:
    return draw_inputs(task, count, numpy_generator(0, "evidence"))


def test_states_are_those_of_a_stack() -> None:
    inputs = _drawn()
    for row, length in enumerate(inputs.not_padding.sum(1).tolist()):
        for position, stack in enumerate(naive_stacks(inputs.tokens[row, :length].tolist())):
            kind, opener = stack[-1] if stack else (-1, -1)
            found = (inputs.depth[row, position], inputs.stack_top_type[row, position], inputs.opener[row, position])
            assert tuple(int(value) for value in found) == (len(stack), kind, opener)


def test_what_is_not_read_is_padding() -> None:
    """The last token of a short sequence is its label, and no input."""
    inputs = inputs_from(TASK, ["()", "([])"])
    assert inputs.tokens.tolist() == [[2, 4, 6, 0, 0], [2, 4, 5, 7, 6]]
    assert inputs.not_padding.tolist() == [[True, True, True, False, False], [True] * 5]


def test_a_vocabulary_without_padding_is_filled_with_a_bracket() -> None:
    bare = Vocabulary(spellings=("(", ")"), opening=(0,), closing=(1,))
    inputs = _drawn(Task(Dyck(bare, 3), max_length=8))
    assert set(inputs.tokens[~inputs.not_padding].tolist()) == {0}


@pytest.mark.parametrize("tokens", [1, 50, 10_000])
def test_batches_hold_every_sequence_once_and_untrimmed(tokens: int) -> None:
    inputs = _drawn()
    seen = []
    for rows, part in inputs.batches(tokens=tokens):
        assert len(rows) == 1 or part.tokens.numel() <= tokens
        assert torch.equal(part.not_padding.sum(1), inputs.not_padding[rows].sum(1))
        for name in ("tokens", "not_padding", "scored", "depth", "stack_top_type", "opener"):
            width = part.tokens.shape[1]
            assert torch.equal(getattr(part, name), getattr(inputs, name)[rows, :width])
        seen += rows.tolist()
    assert sorted(seen) == list(range(len(inputs)))


def test_every_sequence_has_something_to_judge() -> None:
    """Half of the shortest prefixes of this task leave no bracket open, and are drawn again."""
    task = replace(TASK, objective="closing_bracket", prefixes=True, min_length=1, max_length=3)
    plain = inputs_of(task, task.draw(300, numpy_generator(0, "evidence")))
    assert not plain.scored.any(1).all()
    inputs = _drawn(task, 300)
    assert len(inputs) == 300
    assert inputs.scored.any(1).all()
    assert not inputs.scored[~inputs.not_padding].any()


def test_a_task_that_covers_nothing_is_refused() -> None:
    with pytest.raises(LanguageError, match="without a scored output"):
        _drawn(replace(TASK, objective="closing_bracket", prefixes=True, min_length=1, max_length=1))


def test_no_rows_are_no_error() -> None:
    nothing = _drawn().rows(torch.zeros(40, dtype=torch.bool))
    assert len(nothing) == 0
    assert list(nothing.batches()) == []


def test_unpadded_pieces_hold_every_sequence_once_without_padding() -> None:
    inputs = draw_inputs(TASK, 30, numpy_generator(0, "unpadded"))
    seen: list[int] = []
    for rows, part in inputs.unpadded(tokens=40):
        assert bool(part.not_padding.all())
        assert torch.equal(part.tokens, inputs.tokens[rows][:, : part.tokens.shape[1]])
        assert part.tokens.numel() <= 40
        seen += rows.tolist()
    assert sorted(seen) == list(range(30))


def test_a_classifier_without_pad_gets_strings_of_one_length_together() -> None:
    """Nothing tells such a model where a shorter string ends."""
    vocabulary = replace(TASK.language.vocabulary, pad=None)
    task = replace(TASK, language=replace(TASK.language, vocabulary=vocabulary), objective="classifier")
    inputs = draw_inputs(task, 60, numpy_generator(0, "lengths"))
    assert len(set(inputs.not_padding.sum(1).tolist())) > 2
    assert all(bool(part.not_padding.all()) for _, part in inputs.batches())
