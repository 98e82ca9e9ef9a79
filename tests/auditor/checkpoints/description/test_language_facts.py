"""Vocabulary, language and read-out from a description: nothing forgotten, nothing contradictory."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.checkpoints.description.language_facts import read_out_of, task_of, vocabulary_of
from auditor.checkpoints.description.reading import Description
from auditor.errors import ConfigurationError
from auditor.language.vocabulary import standard_vocabulary

TOKENS: dict[str, Any] = {"tokens": ["<", "(", ")", "{", "}", ">", "?"], "pairs": ["()", ["{", "}"]]}
ROLES: dict[str, Any] = {"start": "<", "end": 5, "unused": ["?"]}
TASK = {"depth": 3, "max_length": 8}


def test_tokens_have_their_places_and_their_roles() -> None:
    found = vocabulary_of(Description({"vocabulary": TOKENS | ROLES}))
    assert found.spellings == ("<", "(", ")", "{", "}", ">", "?")
    assert (found.opening, found.closing) == ((1, 3), (2, 4))
    assert (found.start, found.end, found.pad, found.mask) == (0, 5, None, None)


def test_one_text_is_a_vocabulary_of_characters() -> None:
    found = vocabulary_of(Description({"vocabulary": {"tokens": "\n()", "pairs": ["()"], "end": "\n"}}))
    assert (found.end, found.opening, found.closing) == (0, (1,), (2,))
    assert found.encode("(())") == [1, 1, 2, 2]


def test_the_standard_vocabulary_has_a_short_name() -> None:
    assert vocabulary_of(Description({"vocabulary": {"brackets": 3}})) == standard_vocabulary(3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unused": []}, r"token '\?' without a meaning"),
        ({"start": None}, "token '<' without a meaning"),
        ({"pad": "~"}, "vocabulary.pad names '~'"),
        ({"end": 7}, "vocabulary.end names 7"),
        ({"end": True}, "vocabulary.end names True"),
        ({"pad": "<"}, "two meanings"),
        ({"tokens": ["(", "("]}, r"spells '\(' twice"),
        ({"tokens": 3}, "vocabulary.tokens = 3"),
        ({"pairs": []}, "one pair per bracket type"),
        ({"pairs": "()"}, "one pair per bracket type"),
        ({"pairs": ["(){"]}, "an opening and a closing"),
        ({"pairs": [["(", 2]]}, "an opening and a closing"),
        ({"brackets": 2}, "unknown option 'vocabulary.end'|unknown option 'vocabulary"),
    ],
)
def test_a_contradiction_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        vocabulary_of(Description({"vocabulary": TOKENS | ROLES | change}))


def test_a_task_is_read_with_its_defaults() -> None:
    found = task_of(Description({"vocabulary": {"brackets": 2}, "task": TASK}))
    assert (found.objective, found.min_length, found.max_length, found.prefixes) == ("next_token", 2, 8, False)
    assert found.language.depth == 3


def test_a_read_out_makes_a_classifier() -> None:
    facts = {"vocabulary": {"brackets": 2}, "task": TASK | {"reads_end": True}}
    description = Description({**facts, "read_out": {"position": 0, "classes": 2}})
    read_out = read_out_of(description)
    assert read_out is not None
    assert (read_out.position, read_out.classes) == (0, 2)
    assert task_of(description).objective == "classifier"
    with pytest.raises(ConfigurationError, match="reads_end"):
        task_of(Description(facts))


@pytest.mark.parametrize(
    ("task", "read_out", "words"),
    [
        ({"objective": "classifier"}, {}, "without read_out"),
        ({"objective": "next_token"}, {"position": 0, "classes": 2}, "with read_out"),
        ({}, {"position": 0}, "no 'read_out.classes'"),
        ({}, {"classes": 2}, "no 'read_out.position'"),
        ({}, {"position": -1, "classes": 2}, "read_out.position = -1"),
        ({}, {"position": 0, "classes": 1}, "read_out.classes = 1"),
        ({"depth": 0}, {}, "task.depth = 0"),
        ({"open_probability": "x"}, {}, "task.open_probability = 'x'"),
    ],
)
def test_half_a_task_is_refused(task: dict[str, Any], read_out: dict[str, Any], words: str) -> None:
    facts = {"vocabulary": {"brackets": 2}, "task": TASK | task, "read_out": read_out}
    with pytest.raises(ConfigurationError, match=words):
        task_of(Description(facts))
