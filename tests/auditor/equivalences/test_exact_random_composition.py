"""Compositions: all moves that apply, each once, with relabellings that compose."""

from __future__ import annotations

from dataclasses import replace

import torch

from auditor.contracts import TransformRequest, equivalences
from auditor.records import Kind, Relabelling
from auditor.seeds import numpy_generator
from tests.handmade import PLAIN, inputs_for, random_model

COMPOSITION = equivalences()["exact_random_composition"]


def test_relabellings_compose_from_right_to_left() -> None:
    first = Relabelling({"head": ((2,), (0,), (1,)), "neuron": ((1,), (0,))})
    second = Relabelling({"head": ((1,), (2,), (0,))})
    assert second.after(first) == Relabelling({"head": ((0,), (1,), (2,)), "neuron": ((1,), (0,))})
    assert first.after(Relabelling()) == first
    assert Relabelling().after(first) == first


def test_relabellings_compose_through_copies_and_losses() -> None:
    widened = Relabelling({"head": ((0,), (1,), (1,), None)})
    reordered = Relabelling({"head": ((3,), (2,), (0,), (1,))})
    assert reordered.after(widened).moves["head"] == (None, (1,), (0,), (1,))
    merged = Relabelling({"head": ((0, 1), (2, 3), None)})
    assert merged.after(Relabelling({"head": ((3,), (2,), (1,), None)})).moves["head"] == ((3, 2), None, None)


def test_every_other_move_of_the_same_size_is_a_step() -> None:
    model = random_model(replace(PLAIN, positions="learned", max_positions=16))
    made = COMPOSITION.transform(
        TransformRequest(model, inputs_for(model, 2), numpy_generator(0, "test"), parameters={})
    )
    exact = {name: move for name, move in equivalences().items() if move.kind is Kind.EXACT}
    others = {name for name, move in exact.items() if not move.widens and move is not COMPOSITION}
    steps = made.parameters["moves"]
    assert len(steps) == len(set(steps))
    assert {"exact_head_permutation", "exact_embedding_trade", "exact_value_bias_shift"} <= set(steps) <= others
    assert made.model.architecture == model.architecture


def test_no_weight_stays_where_it_was() -> None:
    model = random_model(replace(PLAIN, positions="learned", max_positions=16))
    made = COMPOSITION.transform(
        TransformRequest(model, inputs_for(model, 2), numpy_generator(0, "test"), parameters={})
    )
    theirs = made.model.state_dict()
    assert all(not torch.equal(table, theirs[name]) for name, table in model.state_dict().items())
