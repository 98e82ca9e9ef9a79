"""Standard errors of means, of infidelity, and of sampled Shapley values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.metrics import infidelity

from auditor.canonical.architecture import Block
from auditor.contracts import Request, methods
from auditor.measures.attribution import shapley
from auditor.measures.attribution.infidelity import JUDGED, perturbations
from auditor.measures.attribution.method import Attribution
from auditor.measures.attribution.monte_carlo import error_of_mean, jackknife_error
from auditor.measures.attribution.presence import token_game
from auditor.measures.attribution.score import explained
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES
from tests.handmade import inputs_for, random_model


def test_the_error_of_a_mean() -> None:
    """(0, 2): variance 2, of the mean 1, of size 1. Beside an exact 0: the same."""
    assert error_of_mean(np.array([[0.0, 0.0], [2.0, 0.0]])) == pytest.approx(1.0)
    assert error_of_mean(np.array([[1.0]])) is None


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    draws = numpy_generator(0, "draws").normal(3.0, 1.0, size=(9, 2))
    left_out = np.stack([np.delete(draws, index, axis=0).mean(axis=0) for index in range(9)])
    assert jackknife_error(draws.mean(axis=0), left_out) == pytest.approx(error_of_mean(draws))


def test_the_stated_error_of_sampled_shapley_values_is_how_far_other_draws_are() -> None:
    model = random_model()
    inputs, method = inputs_for(model, 4), methods()["attribution_token_shapley_sampling"]
    found = [method.interpret(Request(model, inputs, numpy_generator(seed, "orders"))) for seed in range(6)]
    values = np.stack([one.values for one in found])
    spread = np.sqrt(values.var(axis=0, ddof=1).sum() / np.square(values.mean(axis=0)).sum())
    stated = np.mean([one.numerical_error or 0.0 for one in found])
    assert stated == pytest.approx(spread, rel=0.5)
    assert spread > 0


def test_up_to_eight_players_have_exact_values() -> None:
    model = random_model()
    found = methods()["attribution_head_shapley"].interpret(
        Request(model, inputs_for(model, 3), numpy_generator(0, "x"))
    )
    assert found.numerical_error == 0.0


def test_values_whose_own_error_is_too_large_are_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten heads, four random orders, 1 % wanted. Where a variant is only compared, the orders are the same: given."""
    monkeypatch.setattr(shapley, "LARGEST_ERROR", 0.01)
    block = Block(heads=5, query_width=3, value_width=2, neurons=6)
    model = random_model(replace(FAMILIES["plain"], blocks=(block, block)))
    method = methods()["attribution_head_shapley"]
    monkeypatch.setattr(type(method), "draws", 4)
    request = Request(model, inputs_for(model, 3), numpy_generator(0, "orders"))
    found = method.interpret(request)
    assert set(found.undefined) == set(range(10))
    assert all("not converged: Monte Carlo error" in why for why in found.undefined.values())
    assert np.isnan(found.values).all()
    compared = method.interpret(replace(request, generator=numpy_generator(0, "orders"), only_compared=True))
    assert np.isfinite(compared.values).all()


def test_infidelity_is_captums_at_the_same_perturbations() -> None:
    model = random_model()
    inputs = inputs_for(model, 3)
    inputs = inputs.rows((inputs.depth > 0).any(1))
    sets = perturbations(Request(model, inputs, numpy_generator(0, "sets")), "position")
    given = numpy_generator(0, "given").normal(size=inputs.tokens.shape) * inputs.not_padding.numpy()
    batch = explained(model, inputs)
    play, removed = token_game(batch), torch.from_numpy(sets.removed)
    expected = infidelity(
        play,
        lambda presence: ((taken := removed.repeat(len(presence) // len(removed), 1)), presence - taken),
        torch.ones(inputs.tokens.shape, dtype=torch.float64),
        torch.from_numpy(given),
        additional_forward_args=(batch.row,),
        n_perturb_samples=len(removed),
        normalize=True,
    )
    values, without_one = sets.infidelity(given)
    np.testing.assert_allclose(values, expected.detach(), rtol=0, atol=1e-9)
    assert values.max() > 1e-4
    once = type(sets)(np.delete(sets.removed, 5, axis=0), np.delete(sets.falls, 5, axis=1))
    np.testing.assert_allclose(without_one[5], once.infidelity(given)[0], rtol=0, atol=1e-12)


@pytest.mark.slow
def test_infidelity_judges_the_attributions_that_it_names() -> None:
    assert all(isinstance(methods()[name], Attribution) for name in JUDGED)
    model = random_model()
    found = methods()["faithfulness_infidelity"].interpret(
        Request(model, inputs_for(model, 3), numpy_generator(0, "x"))
    )
    assert tuple(part.label for part in found.components) == JUDGED
    assert found.numerical_error is not None
