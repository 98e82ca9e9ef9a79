"""Every method on models whose scores are worked out in their docstrings."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, methods
from auditor.records import Component, Interpretation
from auditor.seeds import numpy_generator
from tests.handmade import (
    CONSTANT,
    PLAIN,
    SLOPE,
    TASK,
    counting_model,
    inputs_from,
    naive_stacks,
    random_model,
    stack_model,
)

EXACT = 1e-12
TEXTS = ["()", "([])[]", "(())", "[()([])]()"]


def _interpret(name: str, model: CanonicalTransformer, inputs: InputBatch) -> Interpretation:
    return methods()[name].interpret(Request(model, inputs, numpy_generator(0, "known")))


def _counting_kl(position: int, *, a: float, b: float) -> float:
    """KL in nats at an input position: the counting model against logits ``a`` and ``b`` of the closing brackets."""
    ours, theirs = np.zeros(8), np.zeros(8)
    ours[6:], theirs[6:] = (CONSTANT, SLOPE / (position + 1)), (a, b)
    p, q = np.exp(ours) / np.exp(ours).sum(), np.exp(theirs) / np.exp(theirs).sum()
    return float((p * np.log(p / q)).sum())


def _mean_over_inputs(text: str, kl: dict[int, float]) -> float:
    return float(np.mean([kl[position] for position in range(len(text) + 1)]))


def test_zero_ablation_of_the_counting_model() -> None:
    found = _interpret("ablation_head_zero", counting_model(), inputs_from(TASK, TEXTS))
    for row, text in enumerate(TEXTS):
        without_a = {j: _counting_kl(j, a=0.0, b=SLOPE / (j + 1)) for j in range(11)}
        without_b = {j: _counting_kl(j, a=CONSTANT, b=0.0) for j in range(11)}
        expected = [_mean_over_inputs(text, without_a), _mean_over_inputs(text, without_b)]
        np.testing.assert_allclose(found.values[row], expected, rtol=0, atol=EXACT)


def test_the_closed_form_of_the_docstring() -> None:
    """KL = p_a ln 3 − ln(Z/Z′) at the first position: Z = 9 + e², Z′ = 7 + e²."""
    z, without = 9 + math.e**2, 7 + math.e**2
    assert _counting_kl(0, a=0.0, b=SLOPE) == pytest.approx(3 / z * math.log(3) - math.log(z / without))


def test_mean_ablation_of_the_counting_model() -> None:
    found = _interpret("ablation_head_mean", counting_model(), inputs_from(TASK, TEXTS))
    mean = np.mean([1 / (j + 1) for text in TEXTS for j in range(len(text) + 1)])
    kl = {j: _counting_kl(j, a=CONSTANT, b=SLOPE * float(mean)) for j in range(11)}
    np.testing.assert_allclose(found.values[:, 0], 0, atol=EXACT)
    np.testing.assert_allclose(found.values[:, 1], [_mean_over_inputs(t, kl) for t in TEXTS], rtol=0, atol=EXACT)


def test_attention_of_the_counting_model_is_uniform() -> None:
    found = _interpret("attention_pattern", counting_model(), inputs_from(TASK, TEXTS))
    for row, text in enumerate(TEXTS):
        length = len(text) + 1
        expected = np.zeros((11, 11))
        expected[:length, :length] = np.tril(np.ones((length, length))) / np.arange(1, length + 1)[:, None]
        for head in range(2):
            np.testing.assert_allclose(found.values[row, head], expected, rtol=0, atol=EXACT)


def test_stack_top_mass_of_uniform_attention() -> None:
    found = _interpret("attention_stack_top", counting_model(), inputs_from(TASK, TEXTS))
    for row, text in enumerate(TEXTS):
        tokens = [2, *("([)]".index(c) + 4 for c in text)]
        mass = np.mean([1 / (j + 1) for j, stack in enumerate(naive_stacks(tokens)) if stack])
        np.testing.assert_allclose(found.values[row], [mass, mass], rtol=0, atol=EXACT)


def test_value_output_norms_of_both_models() -> None:
    inputs = inputs_from(TASK, TEXTS)
    assert _interpret("weights_ov_norm", counting_model(), inputs).values.tolist() == pytest.approx([0, SLOPE])
    assert _interpret("weights_ov_norm", stack_model(), inputs).values.tolist() == pytest.approx([math.sqrt(2), 0])


def test_no_gradient_flows_from_a_token_that_never_changes() -> None:
    """Only START reaches z, and START is in the baseline too."""
    name = "attribution_head_integrated_gradients"
    found = _interpret(name, counting_model(), inputs_from(TASK, TEXTS))
    np.testing.assert_allclose(found.values, 0, atol=EXACT)


def test_the_stack_model_reads_the_top_and_needs_one_head() -> None:
    model = stack_model()
    inputs = draw_inputs(model.task, 30, numpy_generator(0, "stack"))
    mass = _interpret("attention_stack_top", model, inputs).values
    for row, length in enumerate(inputs.not_padding.sum(1).tolist()):
        np.testing.assert_allclose(mass[row], _stack_model_mass(inputs.tokens[row, :length].tolist()), atol=EXACT)
    effects = _interpret("ablation_head_zero", model, inputs).values
    np.testing.assert_allclose(effects, np.tile([math.log(8), 0.0], (30, 1)), rtol=0, atol=1e-8)
    mean_effects = _interpret("ablation_head_mean", model, inputs).values
    assert (mean_effects[:, 1] == 0).all()
    assert mean_effects[:, 0].min() > 0.1


def _stack_model_mass(tokens: list[int]) -> list[float]:
    """Head 0: one over the number of brackets at the depth of the top so far. Head 1: one over the tokens so far."""
    depths: list[int] = []
    masses: list[tuple[float, float]] = []
    for position, (token, stack) in enumerate(zip(tokens, naive_stacks(tokens), strict=True)):
        depths.append(len(stack) + (token in (6, 7)))
        if stack:
            masses.append((1 / depths.count(len(stack)), 1 / (position + 1)))
    return [float(np.mean(column)) for column in zip(*masses, strict=True)]


def test_one_head_of_a_random_model_by_hand() -> None:
    """‖W_V W_O‖_F from its definition, head by head."""
    model = random_model(PLAIN)
    found = _interpret("weights_ov_norm", model, inputs_from(TASK, TEXTS))
    for index, head in enumerate(found.components):
        attention = model.attentions[head.layer]
        W_O, _ = attention.output
        circuit = attention.W_V[:, head.head].detach().numpy() @ W_O[head.head].detach().numpy()
        assert found.values[index] == pytest.approx(math.sqrt((circuit**2).sum()))
    assert found.components[0] == Component(0, head=0)


def test_sequences_that_open_nothing_have_no_stack_top() -> None:
    """A read input of START alone leaves no bracket open."""
    inputs = inputs_from(TASK, ["()", ""])
    found = _interpret("attention_stack_top", random_model(PLAIN), inputs)
    assert found.values.shape == (1, 4)
    assert np.isfinite(found.values).all()


@torch.no_grad()
def test_ablation_effects_are_those_of_the_changed_weights() -> None:
    """Zero ablation is the model with W_V = b_V = 0 in that head, KL averaged over the scored outputs."""
    model = random_model(PLAIN)
    inputs = draw_inputs(model.task, 10, numpy_generator(0, "effects"))
    found = _interpret("ablation_head_zero", model, inputs)
    log_p = model(inputs.tokens).log_softmax(-1)
    for index, head in enumerate(found.components):
        changed = model.clone()
        changed.attentions[head.layer].W_V[:, head.head] = 0
        changed.attentions[head.layer].b_V[head.head] = 0
        log_q = changed(inputs.tokens).log_softmax(-1)
        kl = (log_p.exp() * (log_p - log_q)).sum(-1)
        for row in range(len(inputs)):
            assert found.values[row, index] == pytest.approx(float(kl[row][inputs.scored[row]].mean()), rel=1e-9)
