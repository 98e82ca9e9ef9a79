"""How many optimiser steps an attack takes."""

from __future__ import annotations

import pytest

from auditor.behaviour.input_batch import draw_inputs
from auditor.contracts import Request, TransformRequest, methods
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES, task_for
from auditor.twins.against import attack
from auditor.twins.targets.claim import default_claim
from tests.handmade import random_model


@pytest.mark.parametrize("family", ["plain", "bidirectional classifier, RMS norm"])
def test_an_attack_keeps_to_the_budget_that_it_is_given(family: str) -> None:
    """A search by plan adds steps for a classifier; the steps of an attack are the user's."""
    architecture = FAMILIES[family]
    model = random_model(architecture, task_for(architecture))
    generator = numpy_generator(0, "budget")
    inputs = draw_inputs(model.task, 20, generator)
    claim = default_claim(methods()["attention_entropy"].interpret(Request(model, inputs, generator)), "L0H0")
    asked = TransformRequest(model, inputs, generator, parameters={"steps": 4, "restarts": 2})
    _, found = attack(asked, claim, is_far=False)
    assert found["budget_steps"] == 8
    assert found["spent_steps"] <= 8
