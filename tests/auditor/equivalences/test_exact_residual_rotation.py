"""Rotating the residual stream: what rotates, what stays fixed, and which models are bound to their features."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Request, TransformRequest, equivalences, methods
from auditor.seeds import numpy_generator
from tests.handmade import PLAIN, inputs_for, random_model

ROTATION, FOLDING = equivalences()["exact_residual_rotation"], equivalences()["exact_norm_folding"]
NO_NORM = replace(PLAIN, norm_sites=())


def _rotated(model: CanonicalTransformer) -> CanonicalTransformer:
    return ROTATION.transform(
        TransformRequest(model, inputs_for(model, 1), numpy_generator(0, "test"), parameters={})
    ).model


@torch.no_grad()
def _streams(architecture: Architecture) -> tuple[torch.Tensor, torch.Tensor]:
    """The stream that enters the last layer, of a model and its twin, [position, model]."""
    model = random_model(architecture)
    inputs = inputs_for(model, 6)
    last = model.architecture.layers - 1
    caches = (run_with_cache(m, inputs.tokens, sites=(Site.RESIDUAL,))[1] for m in (model, _rotated(model)))
    ours, theirs = (cache[Site.RESIDUAL, last].flatten(0, 1) for cache in caches)
    return ours, theirs


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_angles_and_lengths_in_the_stream_stay(norm: str) -> None:
    ours, theirs = _streams(replace(PLAIN, norm=norm))
    torch.testing.assert_close(ours @ ours.T, theirs @ theirs.T, rtol=0, atol=1e-11)
    assert float((ours - theirs).abs().max()) > 0.1


def test_the_mean_that_layer_norm_subtracts_stays() -> None:
    ours, theirs = _streams(PLAIN)
    torch.testing.assert_close(ours.mean(-1), theirs.mean(-1), rtol=0, atol=1e-12)


def test_without_layer_norm_the_mean_turns_too() -> None:
    ours, theirs = _streams(NO_NORM)
    assert float((ours.mean(-1) - theirs.mean(-1)).abs().max()) > 0.01


def test_the_feature_of_a_scalar_position_stays() -> None:
    ours, theirs = _streams(replace(PLAIN, positions="scalar", scalar_period=16))
    torch.testing.assert_close(ours[:, -1], theirs[:, -1], rtol=0, atol=1e-12)
    torch.testing.assert_close(ours.mean(-1), theirs.mean(-1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("architecture", [PLAIN, NO_NORM])
def test_the_circuit_norm_sees_the_folding_and_not_the_rotation(architecture: Architecture) -> None:
    method, model = methods()["weights_ov_norm"], random_model(architecture)
    inputs, generator = inputs_for(model, 1), numpy_generator(0, "test")
    plain = model
    if FOLDING.not_applicable(model) is None:
        plain = FOLDING.transform(TransformRequest(model, inputs, generator, parameters={})).model
    scores = [method.interpret(Request(m, inputs, generator)).values for m in (plain, _rotated(model))]
    assert abs(scores[0] - scores[1]).max() < 1e-12


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        (replace(PLAIN, positions="sinusoidal", max_positions=16), "sinusoidal positions are bound to their features"),
        (
            replace(PLAIN, output_map=False, blocks=(Block(heads=2, query_width=3, value_width=4, neurons=5),)),
            "without an output map the heads are bound to their features",
        ),
        (
            replace(PLAIN, norm_sites=("attention_out", "mlp_out")),
            "the gain of attention_out of layer 0 is not constant and also feeds the residual stream",
        ),
        (
            replace(PLAIN, norm_sites=("final",), tied_unembedding=True),
            "the gain of final is not constant and also feeds the tied unembedding",
        ),
        (
            replace(PLAIN, model_width=2, positions="scalar", scalar_period=16),
            "the norms and positions fix every direction of the residual stream",
        ),
        (replace(NO_NORM, tied_unembedding=True), None),
        (replace(PLAIN, output_map=False, blocks=(Block(1, 3, 8, 5),)), None),
    ],
)
def test_reasons(architecture: Architecture, reason: str | None) -> None:
    assert ROTATION.not_applicable(random_model(architecture)) == reason


@torch.no_grad()
def test_a_constant_gain_need_not_be_folded() -> None:
    model = random_model(replace(PLAIN, norm_sites=("attention_out", "mlp_out")))
    for layer in range(2):
        for site in ("attention_out", "mlp_out"):
            model.block(layer).norms[site].weight.fill_(1.7)
    assert ROTATION.not_applicable(model) is None
    tokens = inputs_for(model, 6).tokens
    torch.testing.assert_close(model(tokens), _rotated(model)(tokens), rtol=0, atol=1e-11)
