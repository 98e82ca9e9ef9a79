"""Captum's LayerIntegratedGradients at z against the path integral written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Request, methods
from auditor.interpretations.attribution_head_integrated_gradients import STEPS
from auditor.seeds import numpy_generator
from tests.handmade import inputs_for, random_model
from tests.laws.architectures import FAMILIES

NAME = "attribution_head_integrated_gradients"
LANGUAGE_MODELS = [family for family in FAMILIES if not FAMILIES[family].is_classifier]
SAME = 1e-9


@pytest.mark.parametrize("family", LANGUAGE_MODELS)
def test_attributions_are_the_path_integral_over_z(family: str) -> None:
    model = random_model(FAMILIES[family])
    inputs = inputs_for(model, 5)
    found = methods()[NAME].interpret(Request(model, inputs, numpy_generator(0, "x"))).values
    columns = [_path_integral(model, inputs, layer, STEPS) for layer in range(model.architecture.layers)]
    expected = torch.cat(columns, dim=1).numpy()
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=SAME)


@pytest.mark.parametrize("family", LANGUAGE_MODELS)
def test_attributions_of_the_only_layer_add_up_to_the_change_of_the_score(family: str) -> None:
    """Completeness, where nothing of the input passes by the heads: one layer without residual, smooth for the rule."""
    given = FAMILIES[family]
    model = random_model(replace(given, blocks=given.blocks[:1], attention_residual=False, activation="gelu_erf"))
    inputs = inputs_for(model, 4)
    total = _path_integral(model, inputs, 0, 64).sum(1)
    with torch.no_grad():
        change = _score(model(inputs.tokens), inputs) - _score(model(_baseline(inputs)), inputs)
    torch.testing.assert_close(total, change, rtol=0, atol=1e-6)


def _path_integral(model: CanonicalTransformer, inputs: InputBatch, layer: int, steps: int) -> Tensor:
    """Σ over positions and features of (z − z₀) ∫ ∂score/∂z along the straight path, Gauss–Legendre, [batch, head]."""
    with torch.no_grad():
        _, not_padding = run_with_cache(model, inputs.tokens, sites=(Site.Z, Site.RESIDUAL))
        _, blank = run_with_cache(model, _baseline(inputs), sites=(Site.Z,))
    z, z0 = not_padding[Site.Z, layer], blank[Site.Z, layer]
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    gradient = torch.zeros_like(z)
    for node, weight in zip(nodes, weights, strict=True):
        point = (z0 + (1 + node) / 2 * (z - z0)).requires_grad_()

        def hook(site: Site, at: int, value: Tensor, point: Tensor = point) -> Tensor:
            return point if site is Site.Z and at == layer else value

        score = _score(model(inputs.tokens, hook), inputs).sum()
        gradient += weight / 2 * torch.autograd.grad(score, point)[0]
    return ((z - z0) * gradient).sum(dim=(1, 3))


def _score(logits: Tensor, inputs: InputBatch) -> Tensor:
    """Mean log p(right closing bracket) over the positions with an open one, by loops, [batch]."""
    log_p = logits.log_softmax(-1)
    scores = []
    for row in range(len(inputs)):
        positions = [
            j for j in range(inputs.tokens.shape[1]) if inputs.not_padding[row, j] and inputs.depth[row, j] > 0
        ]
        closing = [inputs.task.language.vocabulary.closing[int(inputs.stack_top_type[row, j])] for j in positions]
        scores.append(log_p[row, positions, closing].mean())
    return torch.stack(scores)


def _baseline(inputs: InputBatch) -> Tensor:
    """Every bracket becomes MASK (1)."""
    return torch.where(inputs.tokens >= 4, 1, inputs.tokens)
