"""The search for the best constant: known minima, and blindness to the basis of z."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from auditor.canonical.interventions import run_with_cache
from auditor.canonical.sites import Site
from auditor.measures.ablation.optimal import minimise, optimal
from auditor.measures.ablation.substitutes import mean
from auditor.measures.ablation.sweep import head_effects
from auditor.measures.untouched import Untouched
from tests.handmade import inputs_for, random_model

CONVERGED = 1e-3
"""The search ends where 1e-8 is left to gain: √(2e-8) of a unit away where the curvature is 1."""

UNFINISHED = 1e-3
"""Share of the effect that 30 steps may leave to gain."""

BLIND = 1e-7
"""Rounding, enlarged by the search."""


def _bowl(points: Tensor) -> tuple[Tensor, Tensor]:
    """½ Σ cᵢ (x − target)² with curvatures 1 to 30; the second problem's target is elsewhere."""
    curvature = torch.tensor([1.0, 5.0, 30.0], dtype=torch.float64)
    target = torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]], dtype=torch.float64)
    return 0.5 * (curvature * (points - target) ** 2).sum(1), curvature * (points - target)


def test_quadratics_are_minimised_each_at_its_own_minimum() -> None:
    found = minimise(_bowl, torch.zeros(2, 3, dtype=torch.float64))
    np.testing.assert_allclose(found, [[1, -2, 3], [0.5, 0, -1]], rtol=0, atol=CONVERGED)


def test_a_start_at_the_minimum_stays() -> None:
    start = torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]], dtype=torch.float64)
    assert torch.equal(minimise(_bowl, start), start)


@pytest.mark.slow
@torch.no_grad()
def test_no_constant_nearby_is_better() -> None:
    """At most the mean's effect, and a local minimum: small steps towards any output of the head gain nothing."""
    model = random_model()
    inputs = inputs_for(model, 12)
    constants = optimal(Untouched(model, inputs))(torch.empty(0), 0)
    best = head_effects(model, inputs, lambda _rows, _length: constants).mean(axis=0)
    at_mean = head_effects(model, inputs, mean(Untouched(model, inputs), Site.Z)).mean(axis=0)
    assert (best <= at_mean + 1e-12).all()
    assert (best < 0.99 * at_mean).any()
    _, cache = run_with_cache(model, inputs.tokens, sites=(Site.Z,))
    for row in range(8):
        for step in (-0.01, 0.01):
            towards = [c + step * (cache[Site.Z, layer][row, 1 + row % 2] - c) for layer, c in enumerate(constants)]
            there = head_effects(model, inputs, lambda _rows, _length, towards=towards: towards).mean(axis=0)
            assert (there > (1 - UNFINISHED) * best).all()


@pytest.mark.slow
@torch.no_grad()
def test_the_basis_of_z_does_not_matter() -> None:
    """z → z B + c, undone by W_O and b_O: the best constant moves along, its effect stays."""
    model = random_model()
    inputs = inputs_for(model, 12)
    twin = model.clone()
    attention = twin.attentions[0]
    W_O, b_O = attention.output
    width = attention.b_V.shape[1]
    basis = torch.eye(width, dtype=torch.float64) + torch.ones(width, width, dtype=torch.float64).triu(1)
    shift = torch.linspace(-2, 3, width, dtype=torch.float64)
    attention.W_V[:, 1] = attention.W_V[:, 1] @ basis
    attention.b_V[1] = attention.b_V[1] @ basis + shift
    W_O[1] = torch.linalg.inv(basis) @ W_O[1]
    b_O -= shift @ W_O[1]
    torch.testing.assert_close(twin(inputs.tokens), model(inputs.tokens), rtol=0, atol=1e-12)
    ours, theirs = (
        optimal(Untouched(model, inputs))(torch.empty(0), 0),
        optimal(Untouched(twin, inputs))(torch.empty(0), 0),
    )
    torch.testing.assert_close(theirs[0][1], ours[0][1] @ basis + shift, rtol=0, atol=BLIND)
    torch.testing.assert_close(theirs[1], ours[1], rtol=0, atol=BLIND)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constants_come_in_the_models_precision(dtype: torch.dtype) -> None:
    model = random_model(dtype=dtype)
    assert {c.dtype for c in optimal(Untouched(model, inputs_for(model, 3)))(torch.empty(0), 0)} == {dtype}
