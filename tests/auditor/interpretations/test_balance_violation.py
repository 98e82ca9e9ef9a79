"""Balance violation: the numbers of the published checkpoints, and a model that is balanced by construction."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.checkpoints.intake.detection import load
from auditor.contracts import Request, TransformRequest, methods
from auditor.equivalences.exact_value_bias_shift import ValueBiasShift
from auditor.records import Expected
from auditor.seeds import numpy_generator
from tests.handmade import inputs_for, random_model, stack_model
from tests.wen2023_files import NAMES, checkpoint, reference

PUBLISHED = 1e-6
"""The reference was computed in float32."""

NUMBERS = {
    "balance_violation_as_published": "balance_violation_as_published_code",
    "balance_violation_matched": "balance_violation_matched_pairs",
}


@pytest.mark.parametrize("method", NUMBERS)
@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("balance_acc")])
def test_the_numbers_of_the_published_checkpoints(name: str, method: str) -> None:
    model = load(checkpoint(name)).model.double()
    found = methods()[method].interpret(Request(model, inputs_for(model, 2), numpy_generator(0, "balance")))
    assert found.values == pytest.approx([reference()["models"][name][NUMBERS[method]]], abs=PUBLISHED)


def test_the_stack_model_is_balanced_and_its_idle_head_writes_nothing() -> None:
    """A closing bracket has the key of the opening one that it matches and the opposite value: their sum is 0."""
    model, generator = stack_model(), numpy_generator(0, "balance")
    found = methods()["balance_violation_matched"].interpret(Request(model, inputs_for(model, 2), generator))
    assert abs(found.values[0]) < 1e-12
    assert found.undefined == {1: "the head writes nothing"}
    slipped = methods()["balance_violation_as_published"].interpret(Request(model, inputs_for(model, 2), generator))
    assert slipped.values[0] > 0.1


def test_a_value_bias_shift_moves_it_as_declared() -> None:
    """With an output map the values have no zero of their own."""
    model, method = stack_model(), methods()["balance_violation_matched"]
    inputs = inputs_for(model, 4)
    twin = (
        ValueBiasShift()
        .transform(TransformRequest(model, inputs, numpy_generator(0, "x"), parameters={"shift": "random"}))
        .model
    )
    assert method.expected["exact_value_bias_shift"] is Expected.CHANGES
    moved = method.interpret(Request(twin, inputs, numpy_generator(0, "x"))).values[0]
    assert np.isfinite(moved)
    assert moved > 1e-3


def test_models_without_the_condition_get_a_reason() -> None:
    method = methods()["balance_violation_matched"]
    assert "minimal first layer" in (method.not_applicable(random_model()) or "")
    assert "minimal first layer" in (method.not_applicable(load(checkpoint("example_baseline_seed0")).model) or "")
    assert method.not_applicable(stack_model()) is None
