"""How far attention moved, on models where it is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor.behaviour.input_batch import inputs_of
from auditor.contracts import TransformRequest
from auditor.language.sampling import Sample
from auditor.records import Certificate
from auditor.seeds import numpy_generator
from auditor.twins.attention_distance import reach_of, shortfall, total_variation, views
from auditor.twins.divergence import (
    FIRST_TOKEN,
    LAST_LAYER,
    OPPOSED,
    ORIGINAL,
    _Search,
    origins_of,
)
from auditor.twins.ladder import Attempt, Objective
from tests.handmade import PLAIN, TASK, counting_model, inputs_for, random_model

LENGTH = 6
"""Tokens of every string below, START and END among them."""


def _strings() -> Sample:
    return TASK.draw(5, numpy_generator(0, "strings"), lengths=(LENGTH - 2, LENGTH - 2))


def test_a_model_does_not_move_away_from_itself() -> None:
    model = random_model()
    assert total_variation(model, model.clone(), inputs_for(model), (0, 1)).tolist() == [0.0] * 4


def test_uniform_attention_that_goes_to_start_moves_by_its_share_elsewhere() -> None:
    """Query j of uniform attention has j/(j + 1) off START: the mean over j = 1 … 4 is (1/2 + 2/3 + 3/4 + 4/5)/4.

    Only head 1 is moved: its key is 100 on START and 0 elsewhere.
    """
    model = counting_model()
    twin = model.clone()
    with torch.no_grad():
        twin.attentions[0].b_Q[1] = 1.0
        twin.attentions[0].W_K[0, 1] = 100.0
    found = total_variation(model, twin, inputs_of(TASK, _strings()), (0,))
    assert found.tolist() == pytest.approx([0.0, (1 / 2 + 2 / 3 + 3 / 4 + 4 / 5) / 4])


def test_the_penalty_counts_each_query_as_often_as_strings_reach_it() -> None:
    """All move by 1 at query 1, by 0 at query 2, which half the strings reach: mean (1 · 1 + ½ · 0) / 1.5 = 2/3."""
    theirs = torch.eye(3).expand(1, 1, 3, 3).clone()
    ours = theirs.clone()
    ours[0, 0, 1] = torch.tensor([1.0, 0.0, 0.0])
    penalty = shortfall(0.9, torch.tensor([1.0, 1.0, 0.5]), PLAIN)
    not_padding = torch.ones(1, 3, dtype=torch.bool)
    assert float(penalty(ours, theirs, not_padding)) == pytest.approx(0.9 - 2 / 3)
    assert bool(not_padding.all())
    assert float(penalty(theirs, theirs, not_padding)) == pytest.approx(0.9)


def test_every_string_reaches_the_first_positions() -> None:
    reach = reach_of(random_model(), numpy_generator(0, "reach"))
    assert reach[0] == 1.0
    assert bool((reach.diff() <= 0).all())
    assert 0 < float(reach[-1]) < 1


def test_several_heads_of_one_layer_start_opposed_and_others_at_the_first_token() -> None:
    two, one = random_model(PLAIN), random_model(replace(PLAIN, blocks=(replace(PLAIN.blocks[0], heads=1),) * 2))
    classifier = random_model(replace(PLAIN, causal=False, read_out=0, classes=2))
    assert origins_of(two, (1,), first_token=True) == (OPPOSED, FIRST_TOKEN, ORIGINAL)
    assert origins_of(one, (1,), first_token=True) == (FIRST_TOKEN, ORIGINAL, OPPOSED)
    assert origins_of(two, (0, 1), first_token=False) == (ORIGINAL, OPPOSED)
    assert origins_of(classifier, (1,), first_token=True) == (ORIGINAL,)
    assert origins_of(classifier, (1,), first_token=False) == (ORIGINAL,)


def test_a_classifier_counts_the_query_that_is_read_as_much_as_all_of_them() -> None:
    """Read at START: queries 1 and 2 moved by 1, query 0 by 0: the mean is 2/3, but what is read did not move."""
    classifier = replace(PLAIN, causal=False, read_out=0, classes=2)
    theirs = torch.eye(3).expand(1, 1, 3, 3).clone()
    ours = theirs.clone()
    ours[0, 0, 1:] = torch.tensor([1.0, 0.0, 0.0])
    not_padding = torch.ones(1, 3, dtype=torch.bool)
    assert [view.tolist() for view in views(not_padding, classifier)] == [[[1, 1, 1]], [[1, 0, 0]]]
    assert [view.tolist() for view in views(not_padding, replace(classifier, read_out="last"))][1] == [[0, 0, 1]]
    assert len(views(not_padding, replace(classifier, read_out="mean"))) == 1
    penalty = shortfall(0.9, torch.ones(3), classifier)
    assert float(penalty(ours, theirs, not_padding)) == pytest.approx(0.9 - 2 / 3 + 0.9)


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> _Search:
    """For a model of two layers with two heads, on few strings; 40 steps a start."""
    monkeypatch.setattr("auditor.twins.distillation_data.SEQUENCES", 64)
    monkeypatch.setattr("auditor.twins.distillation_data.LONG_SEQUENCES", 16)
    model = random_model(PLAIN, dtype=torch.float32)
    return _Search(model, (1,), LAST_LAYER, TransformRequest(model, inputs_for(model), numpy_generator(0, "x")), 40)


def _attempt(*, passed: bool, reached: bool) -> Attempt:
    certificate = Certificate(passed=passed, sequences=1, margins={}, kl_mean_nats=1e-4)
    return Attempt("", 1, random_model(PLAIN), certificate, Objective(reached))


def test_a_twin_that_moved_is_polished_and_one_that_moved_too_little_is_pushed_on(search: _Search) -> None:
    """What repeats the original goes on with twice the weight; what does not, or was pushed before, starts again."""
    attempts, names = list[Attempt](), []
    for passed, reached in ((True, False), (False, False), (False, True), (False, True)):
        names.append(search.next_rung(attempts).name)
        attempts.append(_attempt(passed=passed, reached=reached))
    assert names == [
        "target 0.87, weight 0.6, opposed",
        "target 0.87, weight 1.2, from attempt 0",
        "target 0.87, weight 1.2, turned to the first token",
        "polishing attempt 2",
    ]


def test_polishing_leaves_the_attention_of_the_attacked_layer_as_it_is(search: _Search) -> None:
    """The norm in front of it has a scale and a shift, which polishing must not train either."""
    before = search.teacher.clone()
    assert "attention_in" in before.block(1).norms
    with torch.no_grad():
        before.attentions[1].output[0].neg_()
    after = search._polishing(0).make(before.clone(), numpy_generator(1, "polishing"), lambda _share, _words: None)
    assert not torch.equal(after.attentions[1].W_V, before.attentions[1].W_V)
    assert total_variation(before, after, inputs_for(before), (1,)).tolist() == [0.0, 0.0]
