"""Vocabularies: spelling both ways, and every contradiction refused."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.errors import ConfigurationError, LanguageError
from auditor.language.vocabulary import Vocabulary, standard_vocabulary

VALID: dict[str, Any] = {"spellings": ("PAD", "(", ")"), "opening": (1,), "closing": (2,), "pad": 0}


def test_the_standard_vocabulary_is_that_of_the_paper() -> None:
    vocabulary = standard_vocabulary(2)
    assert vocabulary.spellings == ("PAD", "MASK", "START", "END", "(a", "(b", "a)", "b)")
    assert (vocabulary.pad, vocabulary.mask, vocabulary.start, vocabulary.end) == (0, 1, 2, 3)
    assert vocabulary.opening == (4, 5)
    assert vocabulary.closing == (6, 7)


def test_decoding_undoes_encoding() -> None:
    vocabulary = standard_vocabulary(3)
    ids = vocabulary.encode("(a (c c) a) END")
    assert ids == [4, 6, 9, 7, 3]
    assert vocabulary.encode(" ".join(vocabulary.decode(ids))) == ids


def test_one_character_spellings_need_no_blanks() -> None:
    assert Vocabulary(**VALID).encode("(())()") == [1, 1, 2, 2, 1, 2]


def test_an_unknown_token_is_named_with_its_position() -> None:
    with pytest.raises(LanguageError, match=r"'\{x' at position 1"):
        standard_vocabulary(2).encode("(a {x")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"opening": ()}, "0 opening and 1 closing"),
        ({"closing": (2, 2), "opening": (1, 1)}, "two meanings"),
        ({"pad": 1}, "two meanings"),
        ({"pad": 3}, "token id 3 in a vocabulary of 3"),
        ({"mask": -1}, "token id -1"),
        ({"spellings": ("PAD", "(", "(")}, "one spelling"),
    ],
)
def test_a_contradiction_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Vocabulary(**{**VALID, **change})


@pytest.mark.parametrize("types", [0, 27])
def test_an_alphabet_has_26_letters(types: int) -> None:
    with pytest.raises(LanguageError, match=f"{types} bracket types"):
        standard_vocabulary(types)


def test_json_and_back() -> None:
    vocabulary = standard_vocabulary(4)
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
