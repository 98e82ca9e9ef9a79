"""Every patching method on models whose scores are worked out on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, methods
from auditor.seeds import numpy_generator
from tests.handmade import TASK, counting_model, inputs_from, stack_model

EXACT = 1e-12
LEAKS = 1e-8
"""The stack model attends e⁻⁶⁰ elsewhere, and its norm adds 1e-12 to a variance that a long string makes small."""

DIRECT, BY_HEAD, BY_MLP = 3.0, 5.0, 7.0


def _scores(name: str, model: CanonicalTransformer, inputs: InputBatch) -> np.ndarray:
    return methods()[name].interpret(Request(model, inputs, numpy_generator(0, "known"))).values


@pytest.mark.parametrize(
    "name", ["patching_activation_head", "patching_activation_head_noising", "patching_path_to_logits"]
)
def test_the_stack_model_keeps_the_type_in_head_0(name: str) -> None:
    """Head 0 puts out e_top/n. LayerNorm over 8 features makes that √7 at the top type and −1/√7 elsewhere; times 10,
    the two closing logits are 80/√7 apart. Another type turns that round, so 160/√7 goes through head 0 and nothing
    through head 1, on the one path that there is."""
    model = stack_model()
    found = _scores(name, model, draw_inputs(model.task, 20, numpy_generator(0, "stack")))
    np.testing.assert_allclose(found[:, 0], 160 / math.sqrt(7), rtol=0, atol=LEAKS * 1e3)
    np.testing.assert_allclose(found[:, 1], 0, atol=EXACT)


def test_the_gradient_of_the_stack_model_misses_the_bend_of_the_norm() -> None:
    """Along Δ = (e_clean − e_corrupt)/n at e_corrupt/n the margin 10 (u_clean − u_corrupt)/σ has slope
    10 (2/σ − 1/(8σ³)) with σ = √7/8: 480/(7√7) where 160/√7 would be right."""
    model = stack_model()
    inputs = draw_inputs(model.task, 20, numpy_generator(0, "stack"))
    found = _scores("patching_attribution_head", model, inputs)
    np.testing.assert_allclose(found[:, 0], 480 / (7 * math.sqrt(7)), rtol=0, atol=LEAKS * 1e3)
    np.testing.assert_allclose(found[:, 1], 0, atol=EXACT)


def test_the_counting_model_carries_no_type() -> None:
    inputs = inputs_from(TASK, ["()", "([])[]", "(("])
    for name in ("patching_activation_head", "patching_attribution_head", "patching_path_to_logits"):
        np.testing.assert_allclose(_scores(name, counting_model(), inputs), 0, atol=EXACT)


def relay_model() -> CanonicalTransformer:
    """Two layers of one head with uniform attention, all linear but for a pair of rectifiers that cancel out.

    ``(`` is +1 and ``[`` −1 in feature 0. Head L0H0 writes its mean of feature 0 to feature 1; head L1H0 its mean of
    feature 1 to feature 2. The MLP of layer 1 copies feature 1 to feature 3 as relu(x) − relu(−x); that of layer 0
    writes nothing. The logit of ``)`` is 3 × feature 1 + 5 × feature 2 + 7 × feature 3, the others are 0.

    On ``(`` read at the bracket: z is (0, ½) in layer 0, its mean ¼ is z in layer 1. Corrupt is the negative.

    * L0H0 → logits: 3 (½ + ½).  L0H0 → L1H0 → logits: 5 (¼ + ¼).  L0H0 → MLP → logits: 7 (½ + ½).
    * L1H0 → logits: 5 (¼ + ¼); no head and no MLP reads it.
    * Whole heads: 3 + 2.5 + 7 and 2.5; the model is linear in them, so the gradient gives the same.
    """
    block = Block(heads=1, query_width=1, value_width=1, neurons=2)
    architecture = Architecture(model_width=4, vocabulary_size=8, blocks=(block, block), norm_sites=())
    model = CanonicalTransformer(architecture, TASK).double()
    assert model.W_U is not None
    with torch.no_grad():
        model.W_E[4, 0], model.W_E[5, 0] = 1.0, -1.0
        for layer, attention in enumerate(model.attentions):
            attention.W_V[layer, 0, 0] = 1.0
            attention.output[0][0, 0, layer + 1] = 1.0
        mlp = model.mlps[1]
        mlp.W_in[1, 0], mlp.W_in[1, 1] = 1.0, -1.0
        mlp.W_out[0, 3], mlp.W_out[1, 3] = 1.0, -1.0
        model.W_U[1, 6], model.W_U[2, 6], model.W_U[3, 6] = DIRECT, BY_HEAD, BY_MLP
    return model


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("patching_path_to_logits", [DIRECT, BY_HEAD / 2]),
        ("patching_path_to_heads", [BY_HEAD / 2, 0]),
        ("patching_path_to_mlps", [BY_MLP, 0]),
        ("patching_path_head_to_head", [[0, BY_HEAD / 2], [0, 0]]),
        ("patching_activation_head", [DIRECT + BY_HEAD / 2 + BY_MLP, BY_HEAD / 2]),
        ("patching_activation_head_noising", [DIRECT + BY_HEAD / 2 + BY_MLP, BY_HEAD / 2]),
        ("patching_attribution_head", [DIRECT + BY_HEAD / 2 + BY_MLP, BY_HEAD / 2]),
    ],
)
@pytest.mark.parametrize("text", ["(", "["])
def test_every_path_of_the_relay_model(name: str, expected: list[float], text: str) -> None:
    found = _scores(name, relay_model(), inputs_from(TASK, [text]))
    np.testing.assert_allclose(found, [expected], rtol=0, atol=EXACT)


def test_the_stream_of_the_relay_model_by_kind_of_position() -> None:
    """``([]`` is read at the bracket ``(`` (position 1) and after ``]`` (position 3), where it is on top.

    Layer 0 writes the mean of feature 0 over 2 and 4 positions: ±1/2 at position 1 and ±1/4 − ±0 at position 3 (``[``
    and ``]`` write −1 and 0, so the mean is (1 − 1)/4 clean and (−1 − 1)/4 corrupt). The stream of layer 1 holds that
    in feature 1: clean 1/2, 0, 0 and corrupt −1/2, −2/3, −1/2 at positions 1 to 3.

    * Layer 0, opener: all that swapping the input does. Nothing else differs there.
    * Layer 1, opener: feature 1 of position 1 is 1 larger; it is read there by the MLP and directly, and by the head
      as the mean over 2 positions there and 4 at position 3.
    * Layer 1, decisions (position 3): 1/2 larger, read by all three there, by the head as the mean over 4.
    * Layer 1, elsewhere (position 2): 2/3 larger, read by the head at position 3 only.
    """
    found = methods()["patching_residual_by_position"].interpret(
        Request(relay_model(), inputs_from(TASK, ["([]"]), numpy_generator(0, "known"))
    )
    here = DIRECT + BY_MLP
    opener = (here + BY_HEAD / 2 + BY_HEAD / 4) / 2
    decisions = (here / 2 + BY_HEAD / 8) / 2
    elsewhere = BY_HEAD * 2 / 3 / 4 / 2
    expected = {
        "L0.stream@opener": opener + decisions + elsewhere,
        "L0.stream@closer": 0,
        "L0.stream@decisions": 0,
        "L0.stream@elsewhere": 0,
        "L1.stream@opener": opener,
        "L1.stream@closer": 0,
        "L1.stream@decisions": decisions,
        "L1.stream@elsewhere": elsewhere,
    }
    assert [component.label for component in found.components] == list(expected)
    np.testing.assert_allclose(found.values, [list(expected.values())], rtol=0, atol=EXACT)
