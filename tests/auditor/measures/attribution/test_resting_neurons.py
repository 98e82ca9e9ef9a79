"""Neurons that rest exactly at 0: rounding must not decide whether a gradient passes.

In the model that is written down many neurons do so on whole paths, and its paths have kinks at the points that are
looked at. An exact move changes their inputs by rounding alone.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditor import zoo
from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.model import RESTING
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Request, TransformRequest, equivalences, expectations, methods
from auditor.records import Expected
from auditor.seeds import numpy_generator
from tests.handmade import PLAIN, random_model

MOVES = (
    "exact_neuron_rescaling",
    "exact_residual_rotation",
    "exact_value_bias_shift",
    "exact_value_output_gauge",
)
BY_GRADIENT = (
    "attribution_head_integrated_gradients",
    "attribution_neuron_conductance",
    "attribution_neuron_internal_influence",
    "attribution_token_input_x_gradient",
    "attribution_token_integrated_gradients",
    "attribution_token_integrated_gradients_zero",
    "attribution_token_saliency",
)


@pytest.mark.parametrize("name", BY_GRADIENT)
def test_exact_moves_leave_gradients_of_a_model_that_is_written_down_alone(name: str) -> None:
    method, model = methods()[name], load(zoo.path("dyck2x4-2layer-constructed")).model.double()
    inputs = draw_inputs(model.task, 24, numpy_generator(3, "resting"))
    expected = expectations(method)
    compared = [move for move in MOVES if expected[move].expected is Expected.INVARIANT]
    assert len(compared) >= 3
    ours = method.interpret(Request(model, inputs, numpy_generator(0, name), only_compared=True)).values
    for move in compared:
        plugin = equivalences()[move]
        (first, *_) = plugin.choices(model.architecture, 1)
        asked = TransformRequest(model, inputs, numpy_generator(3, move), parameters=first)
        moved = plugin.transform(asked).model
        theirs = method.interpret(Request(moved, inputs, numpy_generator(0, name), only_compared=True)).values
        assert np.abs(ours - theirs).max() <= 1e-6 * np.abs(ours).max(), move


def test_a_neuron_that_rests_has_no_slope_and_others_have_theirs() -> None:
    mlp = random_model(PLAIN, dtype=torch.float64).mlps[0]
    inputs = torch.tensor([-1.0, -RESTING, 0.0, 1e-14, RESTING, 1e-9, 1.0], dtype=torch.float64, requires_grad=True)
    activations = mlp.neuron_site(inputs)
    activations.sum().backward()
    assert activations.tolist() == [0, 0, 0, 1e-14, RESTING, 1e-9, 1.0]
    assert inputs.grad is not None
    assert inputs.grad.tolist() == [0, 0, 0, 0, 0, 1, 1]
