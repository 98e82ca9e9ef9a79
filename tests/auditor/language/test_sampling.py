"""What is drawn: words of the language, of the wanted lengths, as often as the generator makes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from auditor.errors import LanguageError
from auditor.language.grammar import Dyck, is_member, states
from auditor.language.sampling import Sample, sample
from auditor.language.vocabulary import Vocabulary
from auditor.seeds import numpy_generator
from tests.auditor.language.brute_force import word_probabilities

LANGUAGE = Dyck.standard(2, 2)
ONE_IN_A_MILLION = 4.9
"""Standard errors that a share may be off."""


def _draw(language: Dyck = LANGUAGE, *, seed: int = 0, **wanted: Any) -> Sample:
    return sample(language, generator=numpy_generator(seed, "sampling"), **wanted)


def _words(drawn: Sample) -> list[tuple[int, ...]]:
    return [tuple(row[:length]) for row, length in zip(drawn.tokens.tolist(), drawn.lengths.tolist(), strict=True)]


@pytest.mark.parametrize(("low", "high"), [(2, 2), (2, 9), (7, 12), (11, 12)])
@pytest.mark.parametrize("language", [Dyck.standard(1, 1), LANGUAGE, Dyck.standard(26, 5), Dyck.standard(128, 3)])
def test_complete_strings_are_members_of_the_wanted_lengths(language: Dyck, low: int, high: int) -> None:
    drawn = _draw(language, count=200, min_length=low, max_length=high)
    assert len(drawn) == 200
    for word in _words(drawn):
        assert word[0] == 2
        assert word[-1] == 3
        assert low <= len(word) - 2 <= high
        assert is_member(language, list(word))
    assert (drawn.tokens[np.arange(drawn.tokens.shape[1])[None] >= drawn.lengths[:, None]] == 0).all()


@pytest.mark.parametrize("q", [0.5, 0.25])
def test_words_come_as_often_as_the_generator_makes_them(q: float) -> None:
    count = 40_000
    expected = word_probabilities(LANGUAGE, q=q, least=4, most=6)
    drawn = _draw(count=count, min_length=4, max_length=6, open_probability=q)
    words, counts = np.unique([str(word[1:-1]) for word in _words(drawn)], return_counts=True)
    seen = dict(zip(words.tolist(), counts.tolist(), strict=True))
    assert set(seen) <= {str(word) for word in expected}
    for word, probability in expected.items():
        error = np.sqrt(probability * (1 - probability) / count)
        assert abs(seen.get(str(word), 0) / count - probability) < ONE_IN_A_MILLION * error


def test_prefixes_have_uniform_lengths_and_no_end() -> None:
    drawn = _draw(count=9_000, min_length=3, max_length=5, prefixes=True)
    lengths, counts = np.unique(drawn.lengths - 1, return_counts=True)
    assert lengths.tolist() == [3, 4, 5]
    assert (np.abs(counts / 9_000 - 1 / 3) < ONE_IN_A_MILLION * np.sqrt(2 / 9 / 9_000)).all()
    assert not (drawn.tokens == 3).any()
    found = states(LANGUAGE, drawn.tokens)
    assert found.legal.all()


@pytest.mark.parametrize("q", [0.2, 0.8])
def test_prefixes_open_as_often_as_asked(q: float) -> None:
    language = Dyck.standard(3, 4)
    drawn = _draw(language, count=2_000, min_length=20, max_length=20, prefixes=True, open_probability=q)
    depth = states(language, drawn.tokens).depth[:, :-1]
    has_choice = (depth > 0) & (depth < 4)
    opens = np.isin(drawn.tokens[:, 1:], language.vocabulary.opening)
    share, trials = float(opens[has_choice].mean()), int(has_choice.sum())
    assert abs(share - q) < ONE_IN_A_MILLION * np.sqrt(q * (1 - q) / trials)


def test_types_are_drawn_alike_after_every_state() -> None:
    language = Dyck.standard(3, 2)
    drawn = _draw(language, count=3_000, min_length=12, max_length=12, prefixes=True)
    depth = states(language, drawn.tokens).depth[:, :-1]
    for at in (0, 1):
        opened = drawn.tokens[:, 1:][(depth == at) & np.isin(drawn.tokens[:, 1:], language.vocabulary.opening)]
        shares = np.bincount(opened, minlength=7)[4:7] / len(opened)
        assert (np.abs(shares - 1 / 3) < ONE_IN_A_MILLION * np.sqrt(2 / 9 / len(opened))).all()


@pytest.mark.parametrize("q", [0.01, 0.99])
def test_extreme_open_probabilities_draw_without_a_warning(q: float) -> None:
    drawn = _draw(Dyck.standard(26, 3), count=50, min_length=2, max_length=12, prefixes=True, open_probability=q)
    assert states(Dyck.standard(26, 3), drawn.tokens).legal.all()


def test_a_vocabulary_without_special_tokens() -> None:
    language = Dyck(Vocabulary(spellings=("(", ")"), opening=(0,), closing=(1,)), 2)
    drawn = _draw(language, count=50, min_length=2, max_length=6)
    assert all(is_member(language, list(word)) for word in _words(drawn))
    assert drawn.lengths.max() <= 6


def test_inputs_and_labels_are_shifted_by_one() -> None:
    drawn = _draw(count=20, min_length=2, max_length=8)
    assert drawn.inputs.shape[1] == drawn.tokens.shape[1] - 1
    assert drawn.input_mask.sum(axis=1).tolist() == (drawn.lengths - 1).tolist()


def test_one_seed_is_one_sample_and_another_is_another() -> None:
    first, again, other = (_draw(seed=seed, count=30, min_length=2, max_length=20) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.tokens, again.tokens)
    assert first.tokens.shape != other.tokens.shape or (first.tokens != other.tokens).any()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"min_length": 5, "max_length": 5}, "even"),
        ({"min_length": 1, "max_length": 1}, "maximum length 1"),
        ({"min_length": 4, "max_length": 3}, "lengths 4 to 3"),
        ({"min_length": 0, "max_length": 3}, "lengths 0 to 3"),
        ({"count": 0}, "0 sequences"),
        ({"open_probability": 0.0}, "open probability 0"),
        ({"open_probability": 1.0}, "open probability 1"),
        ({"open_probability": float("nan")}, "open probability nan"),
        ({"min_length": 2, "max_length": 4, "open_probability": 0.999_999}, "after 200 rounds"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wanted: dict[str, Any], words: str) -> None:
    deep = Dyck.standard(2, 20)
    with pytest.raises(LanguageError, match=words):
        _draw(deep, **{"count": 5, "min_length": 2, "max_length": 10, **wanted})
