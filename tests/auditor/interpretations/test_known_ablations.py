"""Every ablation method on models whose scores are worked out on paper; ``counting_model`` has the outputs of heads."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, methods
from auditor.records import Component
from auditor.seeds import numpy_generator
from tests.handmade import CONSTANT, SLOPE, TASK, counting_model, inputs_from, naive_stacks, sentence, stack_model

EXACT = 1e-12
FITTED = 1e-7
"""How far the fitted constant's mean effect may lie above the least: the search ends at a gain of 1e-8."""

TEXTS = ["()", "([])[]", "(())", "[()([])]()"]


def _scores(name: str, model: CanonicalTransformer, inputs: InputBatch) -> np.ndarray:
    return methods()[name].interpret(Request(model, inputs, numpy_generator(0, "known"))).values


def _kl(ours: tuple[float, float], theirs: tuple[float, float]) -> float:
    """KL in nats between two distributions over 8 tokens with these logits for the closing brackets, 0 elsewhere."""
    p, q = (np.exp([0.0] * 6 + list(logits)) for logits in (ours, theirs))
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


def _mean_kl(text: str, a: dict[int, float] | float, b: dict[int, float] | float) -> float:
    """Mean over inputs of the counting model against one whose heads put out ``a`` and ``b`` at position j."""
    value = [v if isinstance(v, dict) else dict.fromkeys(range(11), v) for v in (a, b)]
    return float(
        np.mean([_kl((CONSTANT, SLOPE / (j + 1)), (value[0][j], SLOPE * value[1][j])) for j in range(len(text) + 1)])
    )


COUNTS = {j: 1 / (j + 1) for j in range(11)}
MEAN = float(np.mean([1 / (j + 1) for text in TEXTS for j in range(len(text) + 1)]))


def test_means_by_position_leave_the_counting_model_alone() -> None:
    """Both heads' z depend on the position only."""
    found = _scores("ablation_head_mean_per_position", counting_model(), inputs_from(TASK, TEXTS))
    np.testing.assert_allclose(found, 0, atol=EXACT)


def test_resampling_the_counting_model() -> None:
    """The longer donor has the same 1/(j + 1); the shorter one, of 3 inputs, is read again from its start."""
    texts = ["()", "([])[]"]
    found = _scores("ablation_head_resample", counting_model(), inputs_from(TASK, texts))
    again = _mean_kl(texts[1], CONSTANT, {j: 1 / (j % 3 + 1) for j in range(11)})
    np.testing.assert_allclose(found, [[0, 0], [0, again]], rtol=0, atol=EXACT)


def test_the_best_constants_of_the_counting_model() -> None:
    """Head 0 always writes ln 3. For head 1 one number is searched, by another algorithm."""
    found = _scores("ablation_head_optimal", counting_model(), inputs_from(TASK, TEXTS))
    least = minimize_scalar(lambda b: np.mean([_mean_kl(text, CONSTANT, b) for text in TEXTS])).fun
    np.testing.assert_allclose(found[:, 0], 0, atol=EXACT)
    assert found[:, 1].mean() == pytest.approx(least, abs=FITTED)
    assert least < 0.99 * np.mean([_mean_kl(text, CONSTANT, MEAN) for text in TEXTS])


@pytest.mark.parametrize(("kind", "instead"), [("zero", (0.0, 0.0)), ("mean", (CONSTANT, SLOPE * MEAN))])
def test_logit_differences_of_the_counting_model(kind: str, instead: tuple[float, float]) -> None:
    """A head's change of its own logit counts for decisions on its bracket and against those on the other."""
    found = _scores(f"ablation_head_{kind}_logit_difference", counting_model(), inputs_from(TASK, TEXTS))
    for row, text in enumerate(TEXTS):
        tops = {j: stack[-1][0] for j, stack in enumerate(naive_stacks(sentence(text))) if stack}
        lost = [
            ((CONSTANT - instead[0]) * (1 if top == 0 else -1), (SLOPE / (j + 1) - instead[1]) * (1 if top else -1))
            for j, top in tops.items()
        ]
        np.testing.assert_allclose(found[row], np.mean(lost, axis=0), rtol=0, atol=EXACT)


def test_closing_accuracy_of_the_stack_model() -> None:
    """Untouched it is always right. With a constant (m_a, m_b) for head 0, LayerNorm and 10 for the unembedding, the
    closing logits differ by 10 (m_a − m_b)/σ, σ² = (m_a² + m_b²)/8 − ((m_a + m_b)/8)², at every decision."""
    model = stack_model()
    inputs = draw_inputs(model.task, 40, numpy_generator(0, "stack"))
    total, positions = np.zeros(2), 0
    for tokens, length in zip(inputs.tokens.tolist(), inputs.not_padding.sum(1).tolist(), strict=True):
        depths: list[int] = []
        for token, stack in zip(tokens[:length], naive_stacks(tokens[:length]), strict=True):
            depths.append(len(stack) + (token in (6, 7)) if token > 3 else 0)
            positions += 1
            if stack:
                total[stack[-1][0]] += 1 / depths.count(len(stack))
            else:
                total += _uniform_z(tokens[: len(depths)])
    means = total / positions
    sigma = math.sqrt((means**2).sum() / 8 - (means.sum() / 8) ** 2)
    share = 1 / (1 + math.exp(-10 * (means[0] - means[1]) / sigma))
    survives = [share > 0.8, 1 - share > 0.8]
    found = _scores("ablation_head_mean_closing_accuracy", model, inputs)
    for row, length in enumerate(inputs.not_padding.sum(1).tolist()):
        tops = [stack[-1][0] for stack in naive_stacks(inputs.tokens[row, :length].tolist()) if stack]
        assert found[row].tolist() == pytest.approx([1 - np.mean([survives[top] for top in tops]), 0])


def _uniform_z(tokens: list[int]) -> np.ndarray:
    """With an empty stack head 0 asks for nothing and looks everywhere alike: matched pairs cancel, so nothing is left.

    A closing bracket that empties the stack asks for no depth either.
    """
    signs = {4: (1, 0), 5: (0, 1), 6: (-1, 0), 7: (0, -1)}
    return np.sum([signs.get(token, (0, 0)) for token in tokens], axis=0) / len(tokens)


def test_a_whole_attention_layer_of_the_counting_model() -> None:
    """Without it all logits are 0; with its mean, head 0 keeps its constant and head 1 writes its mean."""
    model, inputs = counting_model(), inputs_from(TASK, TEXTS)
    zero, mean = (methods()[f"ablation_attention_{kind}"] for kind in ("zero", "mean"))
    found = zero.interpret(Request(model, inputs, numpy_generator(0, "known")))
    assert found.components == (Component(0, part="attention"),)
    np.testing.assert_allclose(found.values[:, 0], [_mean_kl(text, 0.0, 0.0) for text in TEXTS], atol=EXACT)
    found = mean.interpret(Request(model, inputs, numpy_generator(0, "known")))
    np.testing.assert_allclose(found.values[:, 0], [_mean_kl(text, CONSTANT, MEAN) for text in TEXTS], atol=EXACT)


def neuron_model() -> CanonicalTransformer:
    """Attention writes nothing; neuron 0 is 1 on ``(`` and adds ln 3 to the logit of ``)``, neuron 1 is 1 on START and
    adds 2 to that of ``]``. Nothing goes past the MLP."""
    architecture = Architecture(
        model_width=2,
        vocabulary_size=8,
        blocks=(Block(heads=1, query_width=1, value_width=1, neurons=2),),
        norm_sites=(),
        mlp_residual=False,
    )
    model = CanonicalTransformer(architecture, TASK).double()
    (mlp,) = model.mlps
    assert model.W_U is not None
    with torch.no_grad():
        model.W_E[4, 0] = model.W_E[2, 1] = 1.0
        mlp.W_in.copy_(torch.eye(2))
        mlp.W_out.copy_(torch.diag(torch.tensor([CONSTANT, SLOPE], dtype=torch.float64)))
        model.W_U[0, 6] = model.W_U[1, 7] = 1.0
    return model


INPUTS = [sentence(text) for text in TEXTS]
ON = [[(CONSTANT * (token == 4), SLOPE * (token == 2)) for token in tokens] for tokens in INPUTS]
"""Closing logits of the neuron model at each input."""

NEURON_MEANS = np.mean([pair for pairs in ON for pair in pairs], axis=0)


@pytest.mark.parametrize("kind", ["zero", "mean"])
def test_neurons_and_the_mlp_of_the_neuron_model(kind: str) -> None:
    a, b = (0.0, 0.0) if kind == "zero" else NEURON_MEANS
    inputs = inputs_from(TASK, TEXTS)
    expected = [
        (
            np.mean([_kl(pair, (a, pair[1])) for pair in pairs]),
            np.mean([_kl(pair, (pair[0], b)) for pair in pairs]),
            np.mean([_kl(pair, (a, b)) for pair in pairs]),
        )
        for pairs in ON
    ]
    neurons = _scores(f"ablation_neuron_{kind}", neuron_model(), inputs)
    whole = _scores(f"ablation_mlp_{kind}", neuron_model(), inputs)
    np.testing.assert_allclose(np.concatenate([neurons, whole], axis=1), expected, rtol=0, atol=EXACT)


@pytest.mark.parametrize("name", [n for n in methods() if n.startswith(("ablation_mlp", "ablation_neuron"))])
def test_models_without_an_mlp_get_a_reason(name: str) -> None:
    assert "no MLP" in str(methods()[name].not_applicable(counting_model()))
    assert methods()[name].not_applicable(neuron_model()) is None
