"""Slopes along the paths against Captum's at equal points, and what a group of methods shares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, InternalInfluence, LayerIntegratedGradients
from torch import Tensor

from auditor.contracts import Request, Shared, methods
from auditor.measures.attribution import by_path
from auditor.measures.attribution.path_integrals import Way, path_integrals
from auditor.measures.attribution.paths import head_paths, neuron_path, token_path
from auditor.measures.attribution.quadrature import Path
from auditor.measures.attribution.score import Explained, explained
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES, task_for
from tests.handmade import inputs_for, random_model

STEPS = 8
FLOAT32_WEIGHTS = 1e-6
"""Captum rounds the weights of its quadratures to float32."""

SUBJECTS = ("plain", "bidirectional classifier, RMS norm", "post-norm, learned positions, tied")


def _batch(family: str) -> Explained:
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]))
    inputs = inputs_for(model, 4)
    return explained(model, inputs.rows((inputs.depth > 0).any(1)))


def _at_gauss_points(path: Path, batch: Explained) -> Tensor:
    nodes, weights = np.polynomial.legendre.leggauss(STEPS)
    terms = [
        weight / 2 * path(batch.row, torch.full((len(batch.row),), (1 + node) / 2, dtype=torch.float64)).values
        for node, weight in zip(nodes, weights, strict=True)
    ]
    return torch.stack(terms).sum(0)


@pytest.mark.parametrize("family", SUBJECTS)
def test_tokens_at_captums_points(family: str) -> None:
    batch = _batch(family)
    found = _at_gauss_points(token_path(batch, batch.blank_vectors), batch)
    expected = IntegratedGradients(batch.of_vectors).attribute(
        batch.vectors, baselines=batch.blank_vectors, additional_forward_args=(batch.row,), n_steps=STEPS
    )
    torch.testing.assert_close(found, expected.detach().sum(2), rtol=0, atol=FLOAT32_WEIGHTS)
    assert found.abs().max() > 1e-2


@pytest.mark.parametrize("family", SUBJECTS)
def test_heads_at_captums_points(family: str) -> None:
    batch = _batch(family)
    for layer, path in enumerate(head_paths(batch)):
        expected = LayerIntegratedGradients(batch.of_tokens, batch.model.attentions[layer].z_site).attribute(
            batch.tokens, baselines=batch.blank_tokens, additional_forward_args=(batch.row,), n_steps=STEPS
        )
        found = _at_gauss_points(path, batch)
        torch.testing.assert_close(found, expected.detach().sum(dim=(1, 3)), rtol=0, atol=FLOAT32_WEIGHTS)


@pytest.mark.parametrize("family", SUBJECTS)
def test_influence_at_captums_points(family: str) -> None:
    batch = _batch(family)
    columns = [
        InternalInfluence(batch.of_vectors, mlp.neuron_site).attribute(
            batch.vectors, baselines=batch.blank_vectors, additional_forward_args=(batch.row,), n_steps=STEPS
        )
        for mlp in batch.model.mlps
    ]
    expected = torch.cat([column.detach().sum(1) for column in columns], dim=1)
    found = _at_gauss_points(neuron_path(batch), batch)[:, expected.shape[1] :]
    torch.testing.assert_close(found, expected, rtol=0, atol=FLOAT32_WEIGHTS)


@pytest.mark.parametrize("family", SUBJECTS)
@pytest.mark.parametrize("make", [lambda b: token_path(b, b.blank_vectors), neuron_path, lambda b: head_paths(b)[0]])
def test_the_slope_is_that_of_the_score(family: str, make: Callable[[Explained], Path]) -> None:
    batch = _batch(family)
    path, t, step = make(batch), torch.full((len(_batch(family).row),), 0.4, dtype=torch.float64), 1e-6
    rise = (path(batch.row, t + step).score - path(batch.row, t - step).score) / (2 * step)
    torch.testing.assert_close(path(batch.row, t).slope, rise, rtol=0, atol=1e-7)


def test_a_group_integrates_each_path_once_and_a_method_alone_gets_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Way] = []

    def counted(way: Way, *given: object, refine: bool) -> object:
        made.append(way)
        return path_integrals(way, *given, refine=refine)  # type: ignore[arg-type]

    monkeypatch.setattr(by_path, "path_integrals", counted)
    model = random_model()
    inputs, shared = inputs_for(model, 4), Shared()
    names = [name for name, method in methods().items() if isinstance(method, by_path.ByPath)]
    group = {
        name: methods()[name].interpret(Request(model, inputs, numpy_generator(0, name), shared)) for name in names
    }
    assert sorted(made) == sorted(Way)
    for name, found in group.items():
        alone = methods()[name].interpret(Request(model, inputs, numpy_generator(0, name)))
        np.testing.assert_array_equal(found.values, alone.values)
        assert found.numerical_error == alone.numerical_error is not None
