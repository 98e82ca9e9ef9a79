"""Closed brackets drawn again with another open probability."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditor.behaviour.input_batch import draw_inputs
from auditor.contracts import Request, TransformRequest, equivalences
from auditor.equivalences.input_open_probability import _drawn_again, _open_at
from auditor.language.grammar import Dyck
from auditor.seeds import numpy_generator
from auditor.twins.rewriting import Row
from tests.handmade import TASK, inputs_from, naive_stacks, random_model, sentence, stack_model

MOVE = "input_open_probability"


def _row(text: str) -> Row:
    inputs = inputs_from(TASK, [text])
    depth, opener = inputs.depth[0].numpy(), inputs.opener[0].numpy()
    return Row(TASK.language, inputs.tokens[0].numpy(), depth, opener, 1, 40)


@pytest.mark.parametrize("text", ["([])[", "((()[]", "()[]()(", "[([][])("])
def test_brackets_that_are_open_stay_and_so_does_the_stack(text: str) -> None:
    row = _row(text)
    for place in range(len(text) + 1):
        stack = naive_stacks(sentence(text))[place]
        assert _open_at(row, place) == [position for _, position in stack]
    seen = set()
    for seed in range(40):
        made = _drawn_again(row, 0.8, np.random.default_rng(seed))
        if made is None:
            continue
        assert len(made.tokens) == len(row.tokens)
        stays = made.origin >= 0
        np.testing.assert_array_equal(made.tokens[stays], row.tokens[stays])
        before, after = (naive_stacks(tokens.tolist()) for tokens in (row.tokens, made.tokens))
        assert [before[i] for i in np.flatnonzero(stays)] == [after[i] for i in np.flatnonzero(stays)]
        seen.add(tuple(made.tokens))
    assert len(seen) > 1


def test_what_is_drawn_again_is_deeper_and_as_long() -> None:
    model = stack_model(depth=4)
    inputs = draw_inputs(model.task, 200, numpy_generator(0, "inputs"))
    found = equivalences()[MOVE].rewrite(Request(model, inputs, numpy_generator(0, "move")))
    assert found.after.not_padding.equal(found.before.not_padding)
    new = found.after.tokens != found.before.tokens
    assert 0.2 < float(new.any(1).double().mean()) <= 1
    depths = [float(side.depth[new].double().mean()) for side in (found.before, found.after)]
    assert depths[1] > depths[0] + 0.2
    assert int(found.after.depth.max()) <= 4
    made = equivalences()[MOVE].transform(TransformRequest(model, inputs, numpy_generator(0, "move")))
    assert made.parameters["open_probability"] == 0.8
    assert 0.2 < float(str(made.parameters["rewritten"])) <= 1


def test_a_spoilt_string_stays_spoilt() -> None:
    """Drawing its fault again would make a word of it."""
    row = _row("()[](")
    spoilt = replace(row, tokens=np.asarray(sentence("(][)(")))
    assert any(_drawn_again(row, 0.8, np.random.default_rng(seed)) is not None for seed in range(20))
    assert all(_drawn_again(spoilt, 0.8, np.random.default_rng(seed)) is None for seed in range(20))


def test_at_depth_one_there_is_no_other_shape() -> None:
    task = replace(TASK, language=Dyck.standard(2, 1))
    assert "one shape" in str(equivalences()[MOVE].not_applicable(random_model(task=task)))
