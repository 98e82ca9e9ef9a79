"""Random balanced strings are words within their room."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.errors import LanguageError
from auditor.language.grammar import Dyck, is_member, states
from auditor.language.pumping import balanced_string
from auditor.seeds import numpy_generator

LANGUAGE = Dyck.standard(2, 3)


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
