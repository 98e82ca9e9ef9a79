"""Edited strings stay in the language."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.language.editing import edited
from auditor.language.grammar import Dyck, states
from auditor.seeds import numpy_generator
from tests.handmade import sentence


@pytest.mark.parametrize("text", ["([])()[[()]]", "([(", "()", ""])
def test_every_edit_keeps_legality_length_bounds_and_what_is_left_open(text: str) -> None:
    language, start = Dyck.standard(2, 3), np.asarray(sentence(text))
    left_open = states(language, start[None]).depth[0, -1]
    generator, tokens, seen = numpy_generator(0, "edits", text), start, set()
    for _ in range(300):
        tokens = edited(language, tokens, (1, 15), generator)
        found = states(language, tokens[None])
        assert found.legal.all()
        assert tokens[0] == language.vocabulary.start
        assert found.depth[0, -1] == left_open
        assert len(tokens) <= 15
        seen.add(tokens.tobytes())
    assert len(seen) > 100


def test_no_edit_leaves_the_lengths() -> None:
    language, word, generator = Dyck.standard(2, 3), np.asarray(sentence("()[]")), numpy_generator(0, "edits")
    assert {len(edited(language, word, (5, 5), generator)) for _ in range(100)} == {5}
