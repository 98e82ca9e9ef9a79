"""Attention-edge knock-out on models whose scores are worked out on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, methods
from auditor.measures.ablation.knockout import without_edge
from auditor.seeds import numpy_generator
from tests.handmade import CONSTANT, SLOPE, TASK, counting_model, inputs_from, naive_stacks, sentence, stack_model

EXACT = 1e-12
TEXTS = ["()", "([])[]", "(())", "[()([])]()"]


def _scores(name: str, model: CanonicalTransformer, inputs: InputBatch) -> np.ndarray:
    return methods()[name].interpret(Request(model, inputs, numpy_generator(0, "known"))).values


def _kl_of_head_1(before: float, after: float) -> float:
    p, q = (np.exp([0.0] * 6 + [CONSTANT, SLOPE * z]) for z in (before, after))
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


@pytest.mark.parametrize("target", ["stack_top", "matching_opener", "start"])
def test_a_uniform_head_shares_the_cut_weight_among_the_other_keys(target: str) -> None:
    """At input position j head 1 puts out its weight on START: 1/(j + 1) untouched, 1/j without one of the brackets, 0
    without START. Head 0 puts out ln 3 wherever it looks."""
    found = _scores(f"knockout_edge_{target}", counting_model(), inputs_from(TASK, TEXTS))
    np.testing.assert_allclose(found[:, 0], 0, atol=EXACT)
    for row, text in enumerate(TEXTS):
        stacks = naive_stacks(sentence(text))
        is_cut = {
            "stack_top": [bool(stack) for stack in stacks],
            "matching_opener": [False, *(bracket in ")]" for bracket in text)],
            "start": [j > 0 for j in range(len(stacks))],
        }[target]
        after = [(0.0 if target == "start" else 1 / j) if cut else 1 / (j + 1) for j, cut in enumerate(is_cut)]
        expected = np.mean([_kl_of_head_1(1 / (j + 1), z) for j, z in enumerate(after)])
        assert found[row, 1] == pytest.approx(expected, abs=EXACT)


def test_the_stack_model_needs_the_edge_to_the_stack_top() -> None:
    """On ``(`` head 0 looks at the bracket alone, and without it at START, which carries no type: all that is left is
    the uniform distribution over 8 tokens, ln 8 nats away from a sure answer (closing logits ±10 √7)."""
    model = stack_model()
    found = _scores("knockout_edge_stack_top", model, inputs_from(model.task, ["("]))
    up, down = 10 * math.sqrt(7), -10 / math.sqrt(7)
    p = np.exp([up, down, 0, 0, 0, 0, 0, 0] - np.logaddexp.reduce([up, down, 0, 0, 0, 0, 0, 0]))
    np.testing.assert_allclose(found, [[math.log(8) + float((p * np.log(p)).sum()), 0]], rtol=0, atol=1e-6)
    others = _scores("knockout_edge_start", model, draw_inputs(model.task, 8, numpy_generator(0, "stack")))
    np.testing.assert_allclose(others, 0, atol=1e-6)


def test_a_row_with_all_but_nothing_on_the_key_loses_no_digits() -> None:
    pattern = torch.tensor([[[[1.0, 3e-40, 1e-40]]]], dtype=torch.float64)
    np.testing.assert_allclose(without_edge(pattern, torch.tensor([[0]])), [[[[0, 0.75, 0.25]]]], rtol=1e-14)


def test_a_row_with_nothing_else_to_look_at_stays() -> None:
    pattern = torch.tensor([[[[1.0, 0.0]]]], dtype=torch.float64)
    for key in (0, -1):
        assert torch.equal(without_edge(pattern, torch.tensor([[key]])), pattern)
