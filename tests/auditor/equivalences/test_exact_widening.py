"""Moves that add heads or neurons: what is added, what stands for what, and what a method finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Request, Transformed, TransformRequest, equivalences, methods
from auditor.seeds import numpy_generator
from auditor.symmetries.widening import extended, widened
from auditor.verdicts.alignment import align
from tests.handmade import PLAIN, counting_model, inputs_for, random_model
from tests.wen2023_files import checkpoint

WIDENING = ("exact_head_splitting", "exact_cancelling_heads", "exact_neuron_splitting", "exact_cancelling_neurons")


def _made(name: str, model: CanonicalTransformer) -> Transformed:
    inputs, generator = inputs_for(model, 1), numpy_generator(0, "test")
    return equivalences()[name].transform(TransformRequest(model, inputs, generator, parameters={}))


@torch.no_grad()
def test_widening_with_zeros_keeps_the_function() -> None:
    model = random_model()
    twin = widened(model, heads=[2, 0], neurons=[1, 3])
    assert [(b.heads, b.neurons) for b in twin.architecture.blocks] == [(4, 7), (2, 8)]
    tokens = inputs_for(model, 6).tokens
    torch.testing.assert_close(model(tokens), twin(tokens), rtol=0, atol=1e-13)
    assert not twin.attentions[0].W_V[:, 2:].any()


def test_relabelling_entries_count_over_layers() -> None:
    assert extended([2, 3], [[(1,)], [None, (0,)]]) == ((0,), (1,), (1,), (2,), (3,), (4,), None, (2,))


@pytest.mark.parametrize(
    ("name", "heads", "neurons"),
    [
        ("exact_head_splitting", (3, 3), (6, 5)),
        ("exact_cancelling_heads", (4, 4), (6, 5)),
        ("exact_neuron_splitting", (2, 2), (7, 6)),
        ("exact_cancelling_neurons", (2, 2), (10, 9)),
    ],
)
def test_widths(name: str, heads: tuple[int, ...], neurons: tuple[int, ...]) -> None:
    blocks = _made(name, random_model(PLAIN)).model.architecture.blocks
    assert tuple(block.heads for block in blocks) == heads
    assert tuple(block.neurons for block in blocks) == neurons


def test_the_circuit_of_a_split_head_is_shared_out() -> None:
    """‖W_V W_O‖ of the counting model is 0 and 2: split, the second is 2α and 2(1 − α), and the larger is reported."""
    model, inputs, generator = counting_model(), inputs_for(counting_model(), 1), numpy_generator(1, "test")
    method, move = methods()["weights_ov_norm"], equivalences()["exact_head_splitting"]
    made = move.transform(TransformRequest(model, inputs, generator, parameters={}))
    assert made.parameters["split"] == [1]
    share = made.parameters["shares"][0]
    found = method.interpret(Request(made.model, inputs, generator))
    np.testing.assert_allclose(found.values, [0, 2 * share, 2 * (1 - share)])
    aligned = align(found, made.relabelling, model.architecture.heads)
    np.testing.assert_allclose(aligned.values, [0, 2 * max(share, 1 - share)])


@torch.no_grad()
def test_a_cancelling_pair_attends_alike_and_differently_from_the_others() -> None:
    model = random_model()
    twin, tokens = _made("exact_cancelling_heads", model).model, inputs_for(model, 6).tokens
    pattern = run_with_cache(twin, tokens, sites=(Site.PATTERN,))[1][Site.PATTERN, 1]
    torch.testing.assert_close(pattern[:, 2], pattern[:, 3])
    assert float((pattern[:, 2] - pattern[:, 0]).abs().max()) > 0.05
    W_O, _ = twin.attentions[1].output
    torch.testing.assert_close(W_O[2], -W_O[3])


def test_one_of_a_cancelling_pair_matters_when_the_other_stays() -> None:
    model, inputs, generator = random_model(), inputs_for(random_model(), 8), numpy_generator(0, "test")
    made = _made("exact_cancelling_heads", model)
    scores = methods()["ablation_head_zero"].interpret(Request(made.model, inputs, generator)).values.mean(axis=0)
    added = [index for index, olds in enumerate(made.relabelling.moves["head"]) if olds is None]
    assert added == [2, 3, 6, 7]
    assert scores[added].min() > 1e-3


@pytest.mark.parametrize("name", WIDENING)
def test_models_that_cannot_be_widened_are_not_applicable_with_a_reason(name: str) -> None:
    model = load(checkpoint("balance_acc_baseline_seed0")).model.double()
    part = "output map" if "head" in name else "MLP neurons"
    assert part in (equivalences()[name].not_applicable(model) or "")
