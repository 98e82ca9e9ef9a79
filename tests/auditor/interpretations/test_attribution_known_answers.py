"""Every attribution on models small enough to work out on paper.

With p = e^z / (e^z + 7) the probability of one closing bracket against seven tokens of logit 0, the score of a single
open bracket is f(z) = z − ln(e^z + 7), and f′ = 1 − p.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, methods
from auditor.measures.attribution import quadrature
from auditor.seeds import numpy_generator
from tests.handmade import CONSTANT, SLOPE, TASK, counting_model, inputs_from

EXACT = 1e-12
QUADRATURE = 1e-6
"""What the tolerance of these tests leaves."""

VALUE = 4.0
"""What the round opening bracket of the bracket model writes."""

TEXTS = ["()", "([])[]", "(())", "[()([])]()"]


@pytest.fixture(autouse=True)
def _close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Path integrals to seven digits."""
    monkeypatch.setattr(quadrature, "TOLERANCE", 1e-7)


def _f(z: float) -> float:
    return z - math.log(math.exp(z) + 7)


def _slope(z: float) -> float:
    return 7 / (math.exp(z) + 7)


def _scores(name: str, model: CanonicalTransformer, inputs: InputBatch) -> np.ndarray:
    values = methods()[name].interpret(Request(model, inputs, numpy_generator(0, "known"))).values
    return values[:, 0] if methods()[name].by_position else values


def bracket_model() -> CanonicalTransformer:
    """Width 1; one head attends everywhere alike and copies. ``(a`` is the vector (4); all others are 0.

    After START and ``(a`` the head reads z = 4/2, which is the logit of ``a)``.
    """
    architecture = Architecture(
        model_width=1,
        vocabulary_size=8,
        blocks=(Block(heads=1, query_width=1, value_width=1, neurons=0),),
        norm_sites=(),
        attention_residual=False,
        mlp="none",
    )
    model = CanonicalTransformer(architecture, TASK).double()
    vocabulary = TASK.language.vocabulary
    W_O, _ = model.attentions[0].output
    assert model.W_U is not None
    with torch.no_grad():
        model.W_E[vocabulary.opening[0], 0] = VALUE
        model.attentions[0].W_V[0, 0] = 1.0
        W_O[0, 0, 0] = 1.0
        model.W_U[0, vocabulary.closing[0]] = 1.0
    return model


ONE = VALUE / 2
"""z after ``(``, the only open bracket of ``()``; at its end nothing is open, so ``a)`` is never read."""

BRACKET = {
    "attribution_token_integrated_gradients": [0.0, _f(ONE) - _f(0)],  # completeness: only one token moves
    "attribution_token_integrated_gradients_zero": [0.0, _f(ONE) - _f(0)],  # MASK is zero here, and so is START
    "attribution_token_saliency": [_slope(ONE) / 2, _slope(ONE) / 2],  # ∂z/∂x is 1/2 at both positions
    "attribution_token_input_x_gradient": [0.0, VALUE * _slope(ONE) / 2],
    "attribution_token_feature_ablation": [0.0, _f(ONE) - _f(0)],
    "attribution_token_shapley_sampling": [0.0, _f(ONE) - _f(0)],  # one player matters
    "attribution_token_occlusion": [(_f(ONE) - _f(0)) / 2, _f(ONE) - _f(0)],  # START shares one of two windows with it
}


@pytest.mark.parametrize("name", BRACKET)
def test_token_attributions_of_one_bracket(name: str) -> None:
    found = _scores(name, bracket_model(), inputs_from(TASK, ["()"]))
    after = (_f(ONE) - _f(0)) / 2 if name.endswith("occlusion") else 0.0  # the window over ``(`` and ``)``
    np.testing.assert_allclose(found, [[*BRACKET[name], after]], rtol=0, atol=QUADRATURE)


@pytest.mark.parametrize("name", BRACKET)
def test_padding_gets_nothing(name: str) -> None:
    """Beside a longer sequence the short one has the same scores, and 0 where it has no tokens."""
    alone = _scores(name, bracket_model(), inputs_from(TASK, ["()"]))
    padded = _scores(name, bracket_model(), inputs_from(TASK, ["()", "([][])"]))
    np.testing.assert_allclose(padded[0], [*alone[0], 0, 0, 0, 0], rtol=0, atol=EXACT)


def _open_positions(text: str) -> list[tuple[int, int]]:
    """(input position, type on top) wherever a bracket is open."""
    stack: list[int] = []
    found = []
    for position, character in enumerate(text, start=1):
        if character in "([":
            stack.append("([".index(character))
        else:
            stack.pop()
        if stack:
            found.append((position, stack[-1]))
    return found


def _counting_score(text: str, slope_times_z: dict[int, float]) -> float:
    """Mean log p of the right bracket where the counting model's logits are ln 3 and ``slope_times_z[position]``."""
    terms = []
    for position, kind in _open_positions(text):
        logits = (CONSTANT, slope_times_z[position])
        terms.append(logits[kind] - math.log(6 + math.exp(logits[0]) + math.exp(logits[1])))
    return float(np.mean(terms))


def test_gradient_x_activation_of_the_counting_model() -> None:
    """Σ over open positions of z_h · (1[h is right] − p_h) · ∂logit/∂z_h, over their number."""
    found = _scores("attribution_head_gradient_x_activation", counting_model(), inputs_from(TASK, TEXTS))
    for row, text in enumerate(TEXTS):
        terms = []
        for position, kind in _open_positions(text):
            weights = np.array([3.0, math.exp(SLOPE / (position + 1))])
            p = weights / (6 + weights.sum())
            terms.append([CONSTANT * ((kind == 0) - p[0]), SLOPE / (position + 1) * ((kind == 1) - p[1])])
        np.testing.assert_allclose(found[row], np.mean(terms, axis=0), rtol=0, atol=EXACT)


@pytest.mark.parametrize("name", ["attribution_head_feature_ablation", "attribution_head_shapley"])
def test_ablation_and_shapley_values_of_the_counting_model(name: str) -> None:
    """Head 0 is its own mean, so it plays no part; head 1 then plays alone, and both scores are its lone effect."""
    found = _scores(name, counting_model(), inputs_from(TASK, TEXTS))
    mean = SLOPE * float(np.mean([1 / (j + 1) for text in TEXTS for j in range(len(text) + 1)]))
    np.testing.assert_allclose(found[:, 0], 0, atol=EXACT)
    for row, text in enumerate(TEXTS):
        whole = _counting_score(text, {j: SLOPE / (j + 1) for j in range(11)})
        assert found[row, 1] == pytest.approx(whole - _counting_score(text, dict.fromkeys(range(11), mean)), abs=EXACT)


def neuron_model() -> CanonicalTransformer:
    """Width 1, attention that writes nothing, and two ReLU neurons.

    The first is 3x, written to the logit of ``a)``; the second −x, which is dead and would be written there times −2.

    ``(a`` is the vector (1), all others are 0; so z = 3 after ``(a``.
    """
    architecture = Architecture(
        model_width=1,
        vocabulary_size=8,
        blocks=(Block(heads=1, query_width=1, value_width=1, neurons=2),),
        norm_sites=(),
        mlp_residual=False,
    )
    model = CanonicalTransformer(architecture, TASK).double()
    vocabulary = TASK.language.vocabulary
    assert model.W_U is not None
    with torch.no_grad():
        model.W_E[vocabulary.opening[0], 0] = 1.0
        model.mlps[0].W_in[0] = torch.tensor([3.0, -1.0])
        model.mlps[0].W_out[:, 0] = torch.tensor([1.0, -2.0])
        model.W_U[0, vocabulary.closing[0]] = 1.0
    return model


def test_conductance_of_the_only_live_neuron_is_the_whole_rise() -> None:
    """f(3) − f(0): nothing passes the neuron by."""
    found = _scores("attribution_neuron_conductance", neuron_model(), inputs_from(TASK, ["()"]))
    assert found[0, 1] == 0
    assert found[0, 0] == pytest.approx(_f(3) - _f(0), abs=QUADRATURE)


def test_internal_influence_is_the_mean_slope() -> None:
    """∫ f′(3t) dt = (f(3) − f(0)) / 3 for the live neuron; −2 times that for the dead one, were it to fire."""
    found = _scores("attribution_neuron_internal_influence", neuron_model(), inputs_from(TASK, ["()"]))
    np.testing.assert_allclose(found, np.outer([(_f(3) - _f(0)) / 3], [1, -2]), rtol=0, atol=QUADRATURE)
