"""Head integrated gradients against the path integral written out, and on the bundled models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.attr import LayerIntegratedGradients
from torch import Tensor

from auditor import zoo
from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Request, methods
from auditor.measures.attribution import quadrature
from auditor.measures.attribution.method import attributed
from auditor.measures.attribution.paths import head_paths
from auditor.measures.attribution.score import explained
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES
from auditor.verdicts.claims import claims_of
from tests.auditor.interpretations.closing_score import closing_score, masked
from tests.handmade import inputs_for, random_model

NAME = "attribution_head_integrated_gradients"
LANGUAGE_MODELS = [family for family in FAMILIES if not FAMILIES[family].is_classifier]
STEPS = 64
CLOSE = 1e-5
"""On smooth paths, at a tolerance as small."""

LEFT_OUT = ("dyck2x4-2layer-constructed", "dyck2x4-2layer-2head-again")
"""The steps of the constructed model need more than a thousand points; the other differs from one here by its seed."""


@pytest.mark.parametrize("family", LANGUAGE_MODELS)
def test_attributions_are_the_path_integral_over_z(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quadrature, "TOLERANCE", 1e-6)
    model = random_model(replace(FAMILIES[family], activation="gelu_erf"))
    inputs = inputs_for(model, 5)
    found = methods()[NAME].interpret(Request(model, inputs, numpy_generator(0, "x"))).values
    columns = [_path_integral(model, inputs, layer, STEPS) for layer in range(model.architecture.layers)]
    expected = torch.cat(columns, dim=1).numpy()
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("family", LANGUAGE_MODELS)
def test_attributions_of_the_only_layer_add_up_to_the_change_of_the_score(family: str) -> None:
    """Completeness, where nothing of the input passes by the heads: one layer without residual, smooth for the rule."""
    given = FAMILIES[family]
    model = random_model(replace(given, blocks=given.blocks[:1], attention_residual=False, activation="gelu_erf"))
    inputs = inputs_for(model, 4)
    total = _path_integral(model, inputs, 0, 64).sum(1)
    with torch.no_grad():
        change = closing_score(model(inputs.tokens), inputs) - closing_score(model(masked(inputs.tokens)), inputs)
    torch.testing.assert_close(total, change, rtol=0, atol=1e-6)


def _path_integral(model: CanonicalTransformer, inputs: InputBatch, layer: int, steps: int) -> Tensor:
    """Σ over positions and features of (z − z₀) ∫ ∂score/∂z along the straight path, Gauss–Legendre, [batch, head]."""
    with torch.no_grad():
        _, not_padding = run_with_cache(model, inputs.tokens, sites=(Site.Z, Site.RESIDUAL))
        _, blank = run_with_cache(model, masked(inputs.tokens), sites=(Site.Z,))
    z, z0 = not_padding[Site.Z, layer], blank[Site.Z, layer]
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    gradient = torch.zeros_like(z)
    for node, weight in zip(nodes, weights, strict=True):
        point = (z0 + (1 + node) / 2 * (z - z0)).requires_grad_()

        def hook(site: Site, at: int, value: Tensor, point: Tensor = point) -> Tensor:
            return point if site is Site.Z and at == layer else value

        score = closing_score(model(inputs.tokens, hook), inputs).sum()
        gradient += weight / 2 * torch.autograd.grad(score, point)[0]
    return ((z - z0) * gradient).sum(dim=(1, 3))


def _bundled(name: str, count: int) -> tuple[CanonicalTransformer, InputBatch]:
    model = load(zoo.path(name)).model.double()
    return model, draw_inputs(model.task, count, numpy_generator(0, "interpretation"))


def test_the_first_head_of_the_bundled_classifier_has_the_sign_of_its_integral() -> None:
    """16 points gave −0.035; 1,024 give 0.097."""
    model, inputs = _bundled("dyck2x4-3layer-classifier", 24)
    found = methods()[NAME].interpret(Request(model, inputs, numpy_generator(0, "x")))
    assert found.values[:, 0].mean() == pytest.approx(0.097, abs=0.03)
    assert found.numerical_error is not None
    assert found.numerical_error < quadrature.TOLERANCE
    assert not found.undefined


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in zoo.names() if name not in LEFT_OUT])
def test_bundled_models_agree_with_a_thousand_points(name: str) -> None:
    """Mean scores to 1 % of the largest in their layer."""
    model, inputs = _bundled(name, 8)
    found = methods()[NAME].interpret(Request(model, inputs, numpy_generator(0, "x")))
    start = 0
    for layer, block in enumerate(model.architecture.blocks):
        expected = _captum(model, inputs, layer, 1024).mean(0)
        means = found.values[:, start : start + block.heads].mean(0)
        np.testing.assert_allclose(means, expected, rtol=0, atol=0.01 * np.abs(expected).max())
        start += block.heads


def _captum(model: CanonicalTransformer, inputs: InputBatch, layer: int, steps: int) -> np.ndarray:
    batch = explained(model, attributed(model, inputs))
    found = LayerIntegratedGradients(batch.of_tokens, model.attentions[layer].z_site).attribute(
        batch.tokens,
        baselines=batch.blank_tokens,
        additional_forward_args=(batch.row,),
        n_steps=steps,
        internal_batch_size=512,
    )
    scores: np.ndarray = found.detach().sum(dim=(1, 3)).numpy()
    return scores


def test_too_few_points_are_a_state_with_its_number_and_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """The constructed model counts by steps in its first layer, and reads linearly in its second."""
    monkeypatch.setattr(quadrature, "MOST_POINTS", 17)
    model, inputs = _bundled("dyck2x4-2layer-constructed", 8)
    found = methods()[NAME].interpret(Request(model, inputs, numpy_generator(0, "x")))
    assert list(found.undefined) == [0]
    assert found.undefined[0].startswith("not converged: error ")
    assert np.isnan(found.values[:, 0]).all()
    assert np.isfinite(found.values[:, 1]).all()
    assert found.numerical_error is not None
    assert found.numerical_error > quadrature.TOLERANCE
    claimed = {claim.component for claim in claims_of(methods()[NAME].card, found, ("value",))}
    assert claimed == {found.components[1]}


def test_enough_points_resolve_the_steps_of_the_constructed_model() -> None:
    model, inputs = _bundled("dyck2x4-2layer-constructed", 4)
    found = methods()[NAME].interpret(Request(model, inputs, numpy_generator(0, "x")))
    batch = explained(model, attributed(model, inputs))
    starts = [path(batch.row, torch.zeros(4, dtype=torch.float64)).score for path in head_paths(batch)]
    rise = torch.stack([batch.of_rows(batch.row) - start for start in starts], dim=1).detach().numpy()
    assert not found.undefined
    np.testing.assert_allclose(found.values, rise, rtol=0, atol=0.02 * np.abs(rise).max())
