"""Balanced insertion leaves every later state as it was."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.errors import LanguageError
from auditor.language.grammar import Dyck, is_member, states
from auditor.language.pumping import balanced_string, pump
from auditor.language.sampling import Sample, sample
from auditor.seeds import numpy_generator

LANGUAGE = Dyck.standard(2, 3)


def _drawn(*, prefixes: bool, language: Dyck = LANGUAGE) -> Sample:
    generator = numpy_generator(0, "pumping")
    return sample(language, count=200, generator=generator, min_length=4, max_length=12, prefixes=prefixes)


@pytest.mark.parametrize("prefixes", [True, False])
@pytest.mark.parametrize("pairs", [1, 3])
def test_old_positions_keep_their_tokens_and_stacks(pairs: int, prefixes: bool) -> None:
    given = _drawn(prefixes=prefixes)
    pumped = pump(LANGUAGE, given, pairs=pairs, generator=numpy_generator(1, "pumping"))
    before, after = states(LANGUAGE, given.tokens), states(LANGUAGE, pumped.sample.tokens)
    rows, columns = np.nonzero(pumped.origin >= 0)
    old = pumped.origin[rows, columns]
    assert len(old) == given.lengths.sum()
    assert (pumped.sample.tokens[rows, columns] == given.tokens[rows, old]).all()
    for field in ("depth", "top"):
        assert (getattr(after, field)[rows, columns] == getattr(before, field)[rows, old]).all()
    not_padding = np.arange(pumped.sample.tokens.shape[1])[None] < pumped.sample.lengths[:, None]
    assert after.legal[not_padding].all()
    assert (pumped.sample.lengths - given.lengths == 2 * pairs).all()
    assert ((pumped.origin < 0) & not_padding).sum(axis=1).tolist() == [2 * pairs] * len(given)


def test_pumped_words_are_words() -> None:
    pumped = pump(LANGUAGE, _drawn(prefixes=False), pairs=2, generator=numpy_generator(1, "pumping")).sample
    for row, length in zip(pumped.tokens.tolist(), pumped.lengths.tolist(), strict=True):
        assert is_member(LANGUAGE, row[:length])
        assert row[length - 1] == 3


def test_every_allowed_place_is_used() -> None:
    given = Sample(np.asarray([[2, 4, 6, 3]] * 300), np.asarray([4] * 300))
    pumped = pump(LANGUAGE, given, pairs=1, generator=numpy_generator(0, "places"))
    places = {int(np.flatnonzero(row < 0)[0]) for row in pumped.origin}
    assert places == {1, 2, 3}


def test_at_the_depth_bound_nothing_is_inserted() -> None:
    shallow = Dyck.standard(2, 1)
    given = Sample(np.asarray([[2, 4, 6, 3]] * 100), np.asarray([4] * 100))
    pumped = pump(shallow, given, pairs=1, generator=numpy_generator(0, "places"))
    assert {int(np.flatnonzero(row < 0)[0]) for row in pumped.origin} == {1, 3}


def test_no_pairs_and_no_room_are_refused() -> None:
    with pytest.raises(LanguageError, match="0 pairs"):
        pump(LANGUAGE, _drawn(prefixes=True), pairs=0, generator=numpy_generator(0, "pumping"))
    without_start = Sample(np.asarray([[4]]), np.asarray([1]))
    with pytest.raises(LanguageError, match="without room"):
        pump(Dyck.standard(2, 1), without_start, pairs=1, generator=numpy_generator(0, "pumping"))


@pytest.mark.parametrize("room", [1, 2, 3])
def test_random_balanced_strings_are_words_within_their_room(room: int) -> None:
    generator = numpy_generator(0, "balanced")
    found = [balanced_string(LANGUAGE, 3, room, generator).tolist() for _ in range(60)]
    for tokens in found:
        assert is_member(Dyck.standard(2, room), tokens)
        assert len(tokens) == 6
    assert len({tuple(tokens) for tokens in found}) > 5
    depths = [int(states(LANGUAGE, np.asarray([tokens])).depth.max()) for tokens in found]
    assert max(depths) == room


@pytest.mark.parametrize(("pairs", "room"), [(0, 1), (1, 0)])
def test_a_balanced_string_needs_a_pair_and_room(pairs: int, room: int) -> None:
    with pytest.raises(LanguageError, match="pairs in a depth of"):
        balanced_string(LANGUAGE, pairs, room, numpy_generator(0, "balanced"))
