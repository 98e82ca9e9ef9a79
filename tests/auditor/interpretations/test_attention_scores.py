"""Attention scores on patterns that are known: uniform ones, peaked ones, and those of published checkpoints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Request, methods
from auditor.measures.attention import matching_opener
from auditor.measures.taxonomy import THRESHOLDS
from auditor.records import Component
from auditor.seeds import numpy_generator
from tests.handmade import TASK, counting_model, inputs_from, naive_stacks, random_model, sentence, stack_model
from tests.wen2023_files import checkpoint, reference

EXACT = 1e-12
TEXTS = ["()", "([])[]", "(())", "[()([])]()"]


def _scores(name: str, model: CanonicalTransformer, inputs: InputBatch) -> np.ndarray:
    return methods()[name].interpret(Request(model, inputs, numpy_generator(0, "attention"))).values


def _closes(tokens: list[int], position: int) -> bool:
    return tokens[position] in (6, 7)


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("attention_entropy", lambda j: np.log(j + 1)),
        ("attention_uniformity", lambda _: 1.0),
        ("attention_previous_token", lambda j: 1 / (j + 1)),
        ("attention_start_mass", lambda j: 1 / (j + 1)),
        ("attention_row_variation", lambda _: 0.0),
    ],
)
def test_uniform_attention(name: str, at: Callable[[int], float]) -> None:
    """At input position j the counting model attends 1/(j + 1) to each of j + 1 keys; j = 0 has no choice."""
    found = _scores(name, counting_model(), inputs_from(TASK, TEXTS))
    for row, text in enumerate(TEXTS):
        expected = np.mean([at(j) for j in range(1, len(text) + 1)])
        np.testing.assert_allclose(found[row], [expected, expected], rtol=0, atol=EXACT)


def test_uniform_attention_on_the_matching_opener() -> None:
    found = _scores("attention_matching_opener", counting_model(), inputs_from(TASK, TEXTS))
    for row, text in enumerate(TEXTS):
        tokens = sentence(text)
        expected = np.mean([1 / (j + 1) for j in range(len(tokens)) if _closes(tokens, j)])
        np.testing.assert_allclose(found[row], [expected, expected], rtol=0, atol=EXACT)


def test_partners_are_those_of_push_and_pop() -> None:
    inputs = inputs_from(TASK, TEXTS)
    found = matching_opener(inputs)
    for row, text in enumerate(TEXTS):
        tokens = sentence(text)
        stacks = naive_stacks(tokens)
        for j in range(inputs.tokens.shape[1]):
            closes = j < len(tokens) and _closes(tokens, j)
            assert int(found[row, j]) == (stacks[j - 1][-1][1] if closes else -1)


def test_sequences_that_close_nothing_are_left_out_and_none_at_all_is_undefined() -> None:
    method, model = methods()["attention_matching_opener"], random_model()
    found = method.interpret(Request(model, inputs_from(TASK, ["()", "(("]), numpy_generator(0, "x")))
    assert found.values.shape == (1, 4)
    found = method.interpret(Request(model, inputs_from(TASK, ["(("]), numpy_generator(0, "x")))
    assert set(found.undefined) == {0, 1, 2, 3}


def test_the_stack_models_head_is_a_stack_and_its_idle_head_uniform() -> None:
    """Head 0 attends 1/n to each of n brackets at the depth it asks for, head 1 to everything alike.

    In ``(()`` the depth on top is 1, 2 and again 1: each time one bracket has it, and the second closes its partner.
    """
    model = stack_model()
    inputs = inputs_from(model.task, ["(()"])
    np.testing.assert_allclose(_scores("attention_stack_top", model, inputs)[0, 0], 1.0, atol=EXACT)
    np.testing.assert_allclose(_scores("attention_uniformity", model, inputs)[0, 1], 1.0, atol=EXACT)
    assert methods()["attention_stack_top"].card.predicates == {"stack-like": THRESHOLDS["stack-like"]}


@pytest.mark.parametrize("name", ["balance_acc_baseline_seed0", "example_baseline_seed0"])
def test_variation_from_uniform_of_published_attention(name: str) -> None:
    """‖A − U‖² and the mean row total variation, from the attention that the authors' own code computed."""
    given = reference()
    attention = np.asarray(given["models"][name]["canonical_attention_f64"])[:, 0]  # [layer, query, key]
    model = load(checkpoint(name)).model.double()
    spelled = "".join({4: "(", 5: "[", 6: ")", 7: "]"}[token] for token in given["canonical_ids"][1:])
    inputs = inputs_from(model.task, [spelled])
    length = attention.shape[1]
    uniform = np.tril(np.ones((length, length))) / np.arange(1, length + 1)[:, None]
    squared = ((attention - uniform) ** 2).sum((1, 2))
    by_row = 0.5 * np.abs(attention - uniform).sum(2)[:, 1:].mean(1)
    np.testing.assert_allclose(_scores("attention_variation", model, inputs)[0], squared, rtol=1e-8)
    np.testing.assert_allclose(_scores("attention_row_variation", model, inputs)[0], by_row, rtol=1e-8)


def test_rollout_is_the_product_of_the_mixed_patterns() -> None:
    model, inputs = random_model(), inputs_from(TASK, TEXTS)
    found = methods()["attention_rollout"].interpret(Request(model, inputs, numpy_generator(0, "x")))
    assert found.components == (Component(0, part="residual"), Component(1, part="residual"))
    for row, text in enumerate(TEXTS):
        tokens = torch.tensor([sentence(text)])
        _, cache = run_with_cache(model, tokens, sites=(Site.PATTERN,))
        length, product = tokens.shape[1], np.eye(tokens.shape[1])
        for layer in range(2):
            heads = cache[Site.PATTERN, layer][0].detach().numpy()
            product = (0.5 * (heads[0] + heads[1]) / 2 + 0.5 * np.eye(length)) @ product
            np.testing.assert_allclose(found.values[row, layer, :length, :length], product, rtol=0, atol=EXACT)
        np.testing.assert_allclose(product.sum(1), 1.0)
        assert not found.values[row, :, length:].any()


def test_rollout_without_a_residual_path_is_the_pattern() -> None:
    model, inputs = counting_model(), inputs_from(TASK, TEXTS)
    rollout, patterns = (_scores(name, model, inputs) for name in ("attention_rollout", "attention_pattern"))
    np.testing.assert_allclose(rollout[:, 0], patterns.mean(1), rtol=0, atol=EXACT)
