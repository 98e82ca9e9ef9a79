"""The move that gives zero ablation any result, on a model where its effect has a closed form."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from auditor import zoo
from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.architecture import Architecture
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.sites import Site
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Request, TransformRequest, equivalences, methods
from auditor.seeds import numpy_generator
from tests.handmade import CONSTANT, PLAIN, SLOPE, TASK, counting_model, inputs_from, random_model

NAME = "exact_value_bias_shift"


@torch.no_grad()
def test_centring_takes_the_effect_of_zero_ablation_away() -> None:
    """With target L0H1 head 0 is centred: c = −E[z] = −ln 3, its z is 0, and zeroing it changes nothing."""
    model = counting_model()
    inputs = inputs_from(TASK, ["()", "([])[]"])
    parameters = {"shift": "worst_case", "target": "L0H1"}
    made = equivalences()[NAME].transform(
        TransformRequest(model, inputs, numpy_generator(0, "x"), parameters=parameters)
    )
    attention = made.model.attentions[0]
    assert float(attention.b_V[0]) == pytest.approx(0.0, abs=1e-12)
    assert float(attention.output[1][0]) == pytest.approx(CONSTANT)
    scores = methods()["ablation_head_zero"].interpret(Request(made.model, inputs, numpy_generator(0, "x"))).values
    np.testing.assert_allclose(scores[:, 0], 0, atol=1e-12)
    assert scores[:, 1].min() > 0


@torch.no_grad()
def test_a_shifted_head_has_the_effect_of_what_replaces_it() -> None:
    """Zeroing the shifted z′ = ln 3 + c is writing −c where ln 3 was: the logit of ``a)`` becomes −c."""
    model = counting_model()
    inputs = inputs_from(TASK, ["()", "([])[]"])
    parameters = {"shift": "worst_case", "target": "L0H0"}
    made = equivalences()[NAME].transform(
        TransformRequest(model, inputs, numpy_generator(0, "x"), parameters=parameters)
    )
    c = float(made.model.attentions[0].b_V[0]) - CONSTANT
    assert abs(c) > 1
    expected = []
    for length in (3, 7):
        kl = []
        for j in range(length):
            ours, theirs = np.zeros(8), np.zeros(8)
            ours[6:], theirs[6:] = (CONSTANT, SLOPE / (j + 1)), (-c, SLOPE / (j + 1))
            p, q = np.exp(ours) / np.exp(ours).sum(), np.exp(theirs) / np.exp(theirs).sum()
            kl.append(float((p * np.log(p / q)).sum()))
        expected.append(np.mean(kl))
    scores = methods()["ablation_head_zero"].interpret(Request(made.model, inputs, numpy_generator(0, "x"))).values
    np.testing.assert_allclose(scores[:, 0], expected, rtol=1e-9)
    effects = made.parameters["zero_ablation_effects"]
    assert effects["L0H0"] == pytest.approx(float(np.mean(expected)))
    assert effects["L0H0"] > effects["L0H1"]


@torch.no_grad()
def test_zero_ablation_in_the_centred_gauge_is_mean_ablation() -> None:
    model = random_model(PLAIN)
    inputs = draw_inputs(model.task, 12, numpy_generator(0, "gauge"))
    parameters = {"shift": "worst_case", "target": "L1H1"}
    twin = (
        equivalences()[NAME]
        .transform(TransformRequest(model, inputs, numpy_generator(0, "x"), parameters=parameters))
        .model
    )
    zero = methods()["ablation_head_zero"].interpret(Request(twin, inputs, numpy_generator(0, "x"))).values
    mean = methods()["ablation_head_mean"].interpret(Request(model, inputs, numpy_generator(0, "x"))).values
    np.testing.assert_allclose(zero[:, :3], mean[:, :3], rtol=1e-8, atol=1e-12)


@torch.no_grad()
def test_a_random_shift_moves_z_by_one_vector_everywhere() -> None:
    model = random_model(PLAIN)
    inputs = draw_inputs(model.task, 6, numpy_generator(0, "random"))
    twin = equivalences()[NAME].transform(TransformRequest(model, inputs, numpy_generator(0, "x"), parameters={})).model
    (_, ours), (_, theirs) = (run_with_cache(m, inputs.tokens, sites=(Site.Z,)) for m in (model, twin))
    for layer in range(2):
        moved = theirs[Site.Z, layer] - ours[Site.Z, layer]
        torch.testing.assert_close(moved, moved[:1, :1].expand_as(moved), rtol=0, atol=1e-10)
        assert float(moved[0, 0].norm(dim=1).min()) > 0.01


SEVERAL_HEADS = [
    name
    for name in zoo.names()
    if (architecture := Architecture.from_json(zoo.card(name)["architecture"])).output_map
    and len(architecture.heads) > 1
]


@pytest.mark.slow
@pytest.mark.parametrize("name", SEVERAL_HEADS)
def test_every_head_of_a_trained_model_can_be_the_most_important(name: str) -> None:
    model = load(zoo.path(name)).model.double()
    inputs = draw_inputs(model.task, 10, numpy_generator(0, "top"))
    plugin = equivalences()[NAME]
    choices = [c for c in plugin.choices(model.architecture, 1) if c["shift"] == "worst_case"]
    assert [c["target"] for c in choices] == [head.label for head in model.architecture.heads]
    for parameters in choices:
        made = plugin.transform(TransformRequest(model, inputs, numpy_generator(0, "x"), parameters=parameters))
        assert made.parameters["target_on_top"] is True
        effects = made.parameters["zero_ablation_effects"]
        assert max(effects, key=effects.__getitem__) == parameters["target"]
        assert math.isfinite(effects[parameters["target"]])


def test_a_model_with_one_head_gets_no_worst_case() -> None:
    one = replace(PLAIN, blocks=(replace(PLAIN.blocks[0], heads=1),))
    assert equivalences()[NAME].choices(one, 2) == ({"shift": "random"}, {"shift": "random"})
    assert equivalences()[NAME].choices(PLAIN, 0) == ()
