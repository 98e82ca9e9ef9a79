"""Strings as sequences of a task: what is read of each, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditor.errors import LanguageError
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.language.vocabulary import Vocabulary
from auditor.strings.reading import strings_of
from auditor.strings.sequences import Sequences, sequences_of
from tests.handmade import TASK

CHARACTERS = Vocabulary(spellings=("\n", "(", ")", "[", "]"), opening=(1, 3), closing=(2, 4), end=0)
WORDS = replace(TASK, prefixes=False)
CLASSES = Task(Dyck.standard(2, 3), "classifier", max_length=12)


def _given(task: Task, *texts: str) -> Sequences:
    return sequences_of(task, strings_of(list(texts)))


def _read(task: Task, *texts: str) -> list[str]:
    """What a model reads of each distinct string."""
    found = _given(task, *texts)
    inputs = found.inputs(np.arange(len(found)))
    lengths = inputs.not_padding.sum(1).tolist()
    decode = task.language.vocabulary.decode
    return [" ".join(decode(row[:length])) for row, length in zip(inputs.tokens.tolist(), lengths, strict=True)]


@pytest.mark.parametrize("written", ["(a a)", "(a a) END", "START (a a) END", "(aa)END"])
def test_a_word_is_read_whole_where_training_ends_it(written: str) -> None:
    assert _read(WORDS, written) == ["START (a a)"]


def test_the_last_token_is_predicted_where_no_end_follows() -> None:
    assert _read(WORDS, "(a (b") == ["START (a"]
    assert _read(replace(WORDS, prefixes=True), "(a a) END") == ["START (a"]
    endless = Task(Dyck(replace(CHARACTERS, end=None), 3))
    assert _read(endless, "(())") == ["( ( )"]


def test_a_classifier_reads_any_string_whole() -> None:
    assert _read(CLASSES, "(a a)", "(a b) b) END", "a) (b") == ["START (a a)", "START (a b) b)", "START a) (b"]
    assert _read(replace(CLASSES, reads_end=True), "(a b)") == ["START (a b) END"]


@pytest.mark.parametrize("task", [WORDS, replace(WORDS, prefixes=True), CLASSES, replace(CLASSES, reads_end=True)])
def test_strings_that_the_task_draws_come_back_as_it_reads_them(task: Task) -> None:
    """The law: writing drawn sequences to a file and reading it gives the inputs of the drawing."""
    from auditor.behaviour.input_batch import inputs_of

    given = task.draw(64, np.random.default_rng(0))
    direct = inputs_of(task, given)
    decode = task.language.vocabulary.decode
    repeated = task.objective == "classifier" and (task.reads_end or task.prefixes)
    texts = [
        " ".join(decode(row[: length - repeated]))
        for row, length in zip(given.tokens.tolist(), given.lengths.tolist(), strict=True)
    ]
    lengths = direct.not_padding.sum(1).tolist()
    expected = [" ".join(decode(row[:n])) for row, n in zip(direct.tokens.tolist(), lengths, strict=True)]
    assert _read(task, *texts) == list(dict.fromkeys(expected))


def test_equal_strings_are_one_that_counts_as_often_as_it_stands_there() -> None:
    found = _given(WORDS, "(a a)", "(b b)", "(a  a) END")
    assert (found.lines, found.weights.tolist(), found.numbers.tolist()) == (3, [2.0, 1.0], [1, 2])
    assert found.weighted
    assert not _given(WORDS, "(a a)", "(b b)").weighted


def test_lengths_beyond_those_of_training_widen_the_task() -> None:
    text = "(a a) " * 40
    assert _given(WORDS, text).task == replace(WORDS, max_length=80)
    assert _given(replace(CLASSES, min_length=4), "(a a)").task == replace(CLASSES, min_length=2)
    assert _given(WORDS, "(a a)" * 3).task == WORDS


def test_brackets_by_name_are_those_of_any_vocabulary() -> None:
    """``(b`` is the second type, unless the vocabulary spells it itself."""
    task = Task(Dyck(CHARACTERS, 3))
    assert _read(task, "(a (b b) a) END") == ["( [ ] )"]
    swapped = Vocabulary(("(b", "b)", "(a", "a)", "END"), opening=(0, 2), closing=(1, 3), end=4)
    assert _read(Task(Dyck(swapped, 3)), "(a (b b) a) END") == ["(a (b b) a)"]
    with pytest.raises(LanguageError, match="line 1: unknown token '\\(c'; expected types a to b"):
        _given(task, "(c c) END")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(x", r"line 2: unknown token"),
        ("(a b)", r"line 2: 'b\)' at position 2 does not close the last open bracket; expected words"),
        ("(a a) END (a", r"line 2: END within a string|line 2: 'END' within"),
        ("(a PAD a)", "line 2: 'PAD' within a string; expected brackets only"),
        ("a)", "line 2: 'a\\)' at position 1 does not close"),
        ("(a (a (a (a a) a) a) a)", "line 2: '\\(a' at position 4 nests deeper than the language; expected a depth"),
        ("(a END", "line 2: END behind 1 open brackets; expected END behind a balanced string"),
        ("(a a)" * 5_001, "line 2: 10,002 brackets; expected at most 10,000"),
    ],
)
def test_a_string_that_is_not_of_the_language_is_named(text: str, words: str) -> None:
    with pytest.raises(LanguageError, match=words):
        _given(WORDS, "(a a)", text)


def test_the_empty_string_is_a_word_where_it_is_written_and_ended() -> None:
    assert _read(WORDS, "END", "START") == ["START"]
    with pytest.raises(LanguageError, match="line 1: an empty string"):
        _given(replace(WORDS, prefixes=True), "START END")


def test_a_string_without_a_scored_output_is_refused() -> None:
    closing = replace(WORDS, objective="closing_bracket")
    assert _read(closing, "(a a)") == ["START (a a)"]
    with pytest.raises(LanguageError, match="line 1: 'END' has no output that is trained"):
        _given(closing, "END")


def test_positions_and_classes_are_those_of_the_model() -> None:
    found = _given(WORDS, "(a a)", "(a a) (b b)")
    found.require_room(5)
    with pytest.raises(LanguageError, match="line 2: 5 tokens with START and END; expected at most 4"):
        found.require_room(4)
    labelled = replace(found, classes=np.asarray([0, 2]))
    labelled.require_classes(3)
    with pytest.raises(LanguageError, match="line 2: label 2; expected a class from 0 to 1"):
        labelled.require_classes(2)
