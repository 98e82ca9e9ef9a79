"""Strings for a classifier: right classes, one edit apart, nothing given away by length."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.language.corruption import MEMBER, LabelledStrings, labelled_strings
from auditor.language.grammar import Dyck, is_member
from auditor.seeds import numpy_generator


def _drawn(types: int, depth: int = 3) -> tuple[Dyck, LabelledStrings]:
    language = Dyck.standard(types, depth)
    generator = numpy_generator(types, "corruption")
    return language, labelled_strings(language, count=300, generator=generator, min_length=2, max_length=12)


@pytest.mark.parametrize("types", [1, 2, 3])
def test_the_class_says_whether_the_string_is_a_word(types: int) -> None:
    language, found = _drawn(types)
    for tokens, mask, label in zip(found.tokens, found.mask, found.classes, strict=True):
        assert is_member(language, tokens[mask].tolist()) is bool(label == MEMBER)
    assert found.classes.mean() == 0.5


def test_corrupted_strings_are_as_long_as_words_and_have_no_end() -> None:
    language, found = _drawn(2)
    lengths = found.mask.sum(1)
    assert abs(lengths[found.classes == 1].mean() - lengths[found.classes == 0].mean()) < 1.0
    assert not np.isin(found.tokens, language.vocabulary.end).any()
    assert (found.tokens[~found.mask] == language.vocabulary.pad).all()
    assert (found.tokens[:, 0] == language.vocabulary.start).all()


def test_every_kind_of_edit_occurs() -> None:
    """A turned bracket changes the balance; one of another type does not; exchanged ones keep the bracket counts."""
    language, found = _drawn(2)
    opening, closing = set(language.vocabulary.opening), set(language.vocabulary.closing)
    kinds = set()
    for tokens, mask in zip(found.tokens[found.classes == 0], found.mask[found.classes == 0], strict=True):
        body = tokens[mask].tolist()
        opened, closed = sum(t in opening for t in body), sum(t in closing for t in body)
        by_type = [
            body.count(o) - body.count(c)
            for o, c in zip(language.vocabulary.opening, language.vocabulary.closing, strict=True)
        ]
        kinds.add("turned" if opened != closed else "retyped" if any(by_type) else "exchanged")
    assert kinds == {"turned", "retyped", "exchanged"}


def test_rows_are_trimmed_to_the_longest() -> None:
    _, found = _drawn(2)
    some = found.rows(slice(0, 3))
    assert len(some) == 3
    assert some.tokens.shape[1] == some.mask.sum(1).max()
