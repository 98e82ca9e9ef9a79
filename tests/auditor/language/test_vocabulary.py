"""Vocabularies: spelling both ways, and every contradiction refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from auditor.errors import ConfigurationError, LanguageError
from auditor.language.grammar import Dyck, is_member
from auditor.language.sampling import sample
from auditor.language.vocabulary import Vocabulary, standard_vocabulary, type_name, type_of_name
from auditor.seeds import numpy_generator

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


def test_spellings_of_any_length_need_no_blanks_where_they_read_one_way() -> None:
    vocabulary = standard_vocabulary(2)
    assert vocabulary.encode("(a(b b)a)END") == [4, 5, 7, 6, 3]
    assert vocabulary.encode("(a" * 5_000) == [4] * 5_000


def test_a_piece_that_reads_two_ways_is_refused() -> None:
    """``(()`` is ``(`` ``()`` or ``((`` ``)``; with blanks it is clear, and so is ``((``, which is one token."""
    odd = Vocabulary(spellings=("(", "))", "((", ")"), opening=(0, 2), closing=(1, 3))
    assert odd.encode("((") == [2]
    assert odd.encode("( ( ))") == [0, 0, 1]
    with pytest.raises(LanguageError, match=r"two ways '\(\(\)' at position 1"):
        odd.encode("( (()")


def test_special_tokens_may_be_called_by_their_roles() -> None:
    """A character vocabulary has no way to type its newline; a token spelled like a role keeps its own meaning."""
    characters = Vocabulary(spellings=("\n", "(", ")", "."), opening=(1,), closing=(2,), end=0, pad=3)
    assert characters.encode("() END PAD") == [1, 2, 0, 3]
    named = Vocabulary(spellings=("END", "(", ")", "."), opening=(1,), closing=(2,), start=0, end=3)
    assert named.encode("START END") == [0, 0]


def test_an_unknown_token_is_named_with_its_position() -> None:
    with pytest.raises(LanguageError, match=r"'x\)' at position 3"):
        Vocabulary(**VALID).encode("( ()x)")
    with pytest.raises(LanguageError, match=r"'\{x' at position 1"):
        standard_vocabulary(2).encode("(a {x")


def test_one_token_may_stand_at_both_ends() -> None:
    vocabulary = replace(standard_vocabulary(2), end=2)
    drawn = sample(Dyck(vocabulary, 3), count=20, generator=numpy_generator(0, "ends"), min_length=2, max_length=8)
    for row, length in zip(drawn.tokens.tolist(), drawn.lengths.tolist(), strict=True):
        assert row[0] == row[length - 1] == 2
        assert 2 not in row[1 : length - 1]
        assert is_member(Dyck(vocabulary, 3), row[:length])


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


@pytest.mark.parametrize("types", [0, 1_001])
def test_there_are_as_many_types_as_anybody_uses(types: int) -> None:
    with pytest.raises(LanguageError, match=f"{types} bracket types"):
        standard_vocabulary(types)


def test_types_behind_z_repeat_the_letter() -> None:
    vocabulary = standard_vocabulary(128)
    assert vocabulary.decode([4, 29, 30, 31, 131]) == ["(a", "(z", "(aa", "(bb", "(xxxxx"]
    assert [type_of_name(type_name(kind)) for kind in range(128)] == list(range(128))
    assert vocabulary.encode("(xxxxx xxxxx)") == [131, 259]
    assert [type_of_name(name) for name in ("", "ab", "A", "é", "aA")] == [None] * 5


def test_a_message_does_not_list_hundreds_of_brackets() -> None:
    with pytest.raises(LanguageError, match=r"expected one of 256 brackets, \(a … xxxxx\);"):
        standard_vocabulary(128).encode("[")


def test_json_and_back() -> None:
    vocabulary = standard_vocabulary(4)
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
