"""Paths against two facts: every edge cut out by hand on a linear model, and patching that skips nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Request, methods
from auditor.measures.patching.pairs import corrupted_pairs, type_margin
from auditor.seeds import numpy_generator
from tests.handmade import PLAIN, TASK, inputs_for, random_model

ROUNDING = 1e-12


def _scores(name: str, model: CanonicalTransformer) -> np.ndarray:
    return methods()[name].interpret(Request(model, inputs_for(model, 8), numpy_generator(0, "paths"))).values


@pytest.mark.parametrize("direction", ["", "_noising"])
@torch.no_grad()
def test_activation_patching_is_a_run_with_one_z_exchanged(direction: str) -> None:
    model = random_model()
    found = _scores(f"patching_activation_head{direction}", model)
    pairs = corrupted_pairs(inputs_for(model, 8))
    into, out_of = (pairs.clean, pairs.corrupt) if direction else (pairs.corrupt, pairs.clean)
    closing = torch.tensor(model.task.language.vocabulary.closing)
    for row, length in enumerate(into.not_padding.sum(1).tolist()):
        tokens, others, read = into.tokens[row : row + 1, :length], out_of.tokens[row : row + 1, :length], into.scored
        at = read[row, :length]
        top = into.stack_top_type[row, :length][at]
        _, cache = run_with_cache(model, others, sites=(Site.Z,))
        before = type_margin(model(tokens)[0][at], top, closing).mean()
        for column, head in enumerate(model.architecture.heads):

            def hook(site: Site, layer: int, z: torch.Tensor, head=head, cache=cache) -> torch.Tensor:
                if site is not Site.Z or layer != head.layer:
                    return z
                z = z.clone()
                z[:, :, head.head] = cache[Site.Z, layer][:, :, head.head]
                return z

            moved = float(type_margin(model(tokens, hook)[0][at], top, closing).mean() - before)
            assert found[row, column] == pytest.approx(-moved if direction else moved, abs=ROUNDING)


def test_the_last_layer_of_a_model_without_mlp_has_only_the_direct_path() -> None:
    """Nothing follows its heads but the norm and the logits: the path to them is all that noising does."""
    blocks = tuple(replace(block, neurons=0) for block in PLAIN.blocks)
    model = random_model(replace(PLAIN, mlp="none", blocks=blocks))
    direct, everything = _scores("patching_path_to_logits", model), _scores("patching_activation_head_noising", model)
    np.testing.assert_allclose(direct[:, 2:], everything[:, 2:], rtol=0, atol=ROUNDING)
    assert np.abs(direct[:, :2] - everything[:, :2]).max() > 1e-3


def test_heads_of_the_last_layer_reach_no_head() -> None:
    model = random_model()
    np.testing.assert_array_equal(_scores("patching_path_to_heads", model)[:, 2:], 0)
    matrix = _scores("patching_path_head_to_head", model)
    assert matrix.shape[1:] == (4, 4)
    np.testing.assert_array_equal(matrix[:, 2:], 0)
    np.testing.assert_array_equal(matrix[:, :, :2], 0)
    assert (np.abs(matrix[:, :2, 2:]).max(axis=0) > 1e-6).all()


def test_one_later_head_is_all_later_heads() -> None:
    """Where the next layer has a single head, the matrix holds what the sum over receivers does."""
    block = PLAIN.blocks[0]
    model = random_model(replace(PLAIN, blocks=(block, replace(block, heads=1))))
    matrix, together = _scores("patching_path_head_to_head", model), _scores("patching_path_to_heads", model)
    np.testing.assert_allclose(matrix[:, :2, 2], together[:, :2], rtol=0, atol=ROUNDING)


def test_the_gradient_is_the_limit_of_small_patches() -> None:
    """With head outputs scaled down by ε the model is linear in them: the estimate is activation patching."""
    model = random_model()
    with torch.no_grad():
        for attention in model.attentions:
            attention.output[0].mul_(1e-6)
    exact, estimate = _scores("patching_activation_head", model), _scores("patching_attribution_head", model)
    np.testing.assert_allclose(estimate, exact, rtol=0, atol=1e-3 * np.abs(exact).max())


@pytest.mark.parametrize(
    ("name", "changes", "why"),
    [
        ("patching_path_to_logits", {"mlp_residual": False}, "no residual past the MLPs"),
        ("patching_path_to_heads", {"mlp_residual": False}, "no residual past the MLPs"),
        ("patching_path_to_heads", {"blocks": PLAIN.blocks[:1]}, "with one layer no head reads another"),
        ("patching_path_head_to_head", {"blocks": PLAIN.blocks[:1]}, "with one layer no head reads another"),
    ],
)
def test_paths_that_do_not_exist_are_named(name: str, changes: dict[str, object], why: str) -> None:
    model = CanonicalTransformer(replace(PLAIN, **changes), TASK)
    assert why in str(methods()[name].not_applicable(model))
