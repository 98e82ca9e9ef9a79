"""One set of weights for all models that symmetries make of one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given

from auditor import zoo
from auditor.behaviour.effects import mean_head_outputs
from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.contracts import TransformRequest, equivalences
from auditor.errors import CheckpointError
from auditor.seeds import numpy_generator
from auditor.symmetries.gauge_fixing.canonical_form import (
    REFERENCE_SEQUENCES,
    canonicalise,
    certify,
    largest_logit_difference,
)
from auditor.symmetries.norm_readers import norm_readings
from auditor.tensors import EXACT_LOGITS
from auditor.testing.architectures import LAW, architectures
from auditor.testing.families import FAMILIES, task_for
from tests.handmade import PLAIN, random_model
from tests.wen2023_files import NAMES, checkpoint

FIXED = (
    "exact_centred_writing",
    "exact_embedding_trade",
    "exact_head_permutation",
    "exact_key_bias_shift",
    "exact_mean_direction_writing",
    "exact_neuron_permutation",
    "exact_neuron_rescaling",
    "exact_norm_folding",
    "exact_norm_null_shift",
    "exact_query_key_gauge",
    "exact_value_bias_shift",
    "exact_value_output_gauge",
)
"""The symmetries that the canonical form leaves no room for."""

SAME_WEIGHTS = 1e-8
"""Weights of size one after a dozen rewrites and three decompositions in float64; 1e-13 is usual."""

WRITTEN_DOWN = "dyck2x4-2layer-constructed"
TRAINED = (*(name for name in zoo.names() if name != WRITTEN_DOWN), *NAMES)


def rewritten(model: CanonicalTransformer, seed: int) -> CanonicalTransformer:
    """Every fixed symmetry that applies, in random order."""
    generator = numpy_generator(seed, "canonical form")
    inputs = draw_inputs(model.task, 4, generator)
    for name in generator.permutation(FIXED).tolist():
        plugin = equivalences()[name]
        if plugin.not_applicable(model) is None:
            choice = next(iter(plugin.choices(model.architecture, 1)))
            model = plugin.transform(TransformRequest(model, inputs, generator, parameters=choice)).model
    return model


def largest_difference(one: CanonicalTransformer, other: CanonicalTransformer) -> float:
    ours, theirs = one.state_dict(), other.state_dict()
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


@LAW
@given(architecture=architectures())
def test_the_form_of_any_architecture_is_the_same_function(architecture: Architecture) -> None:
    """The certificate inside raises otherwise; here it is taken again on the model's own language."""
    model = random_model(architecture, task_for(architecture))
    form = canonicalise(model)
    tokens = draw_inputs(model.task, 8, numpy_generator(1, "held out")).tokens
    with torch.no_grad():
        assert float((form(tokens) - model(tokens)).abs().max()) <= EXACT_LOGITS


@pytest.mark.parametrize("family", FAMILIES)
def test_symmetries_do_not_change_the_form(family: str) -> None:
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]))
    form = canonicalise(model)
    for seed in range(2):
        twin = rewritten(model, seed)
        assert largest_difference(model, twin) > 1e-2
        assert largest_difference(form, canonicalise(twin)) < SAME_WEIGHTS
    assert largest_difference(form, canonicalise(form)) < SAME_WEIGHTS


def test_another_model_has_another_form() -> None:
    assert largest_difference(canonicalise(random_model(seed=0)), canonicalise(random_model(seed=1))) > 0.1


@torch.no_grad()
def test_the_form_keeps_its_conventions() -> None:
    form = canonicalise(random_model())
    assert form.dtype == torch.float64
    reference = draw_inputs(form.task, REFERENCE_SEQUENCES, numpy_generator(0, "gauge fixing", "reference"))
    for mean in mean_head_outputs(form, reference).values():
        assert float(mean.abs().max()) < 1e-12
    for reading in norm_readings(form):
        assert reading.is_folded
        assert all(float(map_.weight.sum(0).abs().max()) < 1e-12 for map_ in reading.maps)
    for attention in form.attentions:
        W_O, _ = attention.output
        assert not attention.b_K.any()
        assert float(W_O.mean(-1).abs().max()) < 1e-12
        heads = range(len(attention.b_V))
        sizes = [float(torch.linalg.matrix_norm(attention.W_V[:, h] @ W_O[h])) for h in heads]
        assert sizes == sorted(sizes, reverse=True)
    for mlp in form.mlps:
        torch.testing.assert_close(mlp.W_in.norm(dim=0), torch.ones_like(mlp.b_in))
        sizes = mlp.W_out.norm(dim=1).tolist()
        assert sizes == sorted(sizes, reverse=True)


def test_neurons_of_another_activation_keep_their_scale() -> None:
    model = random_model(replace(PLAIN, activation="gelu_erf", norm_sites=()))
    before, after = (sorted(m.mlps[0].W_in.detach().norm(dim=0).tolist()) for m in (model, canonicalise(model)))
    assert after == pytest.approx(before)


def test_the_model_is_not_changed() -> None:
    model = random_model(dtype=torch.float32)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    canonicalise(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_form_that_differs_is_refused() -> None:
    model, other = random_model(), random_model()
    with torch.no_grad():
        other.b_U += 1e-8
    assert largest_logit_difference(model, other) == pytest.approx(1e-8, rel=1e-3)
    with pytest.raises(CheckpointError, match=r"differ by 1\.0e-08"):
        certify(model, other)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_trained_models_have_a_form_that_symmetries_keep(name: str) -> None:
    model = load(zoo.path(name) if name in zoo.names() else checkpoint(name)).model.double()
    form = canonicalise(model)
    for seed in range(5):
        assert largest_difference(form, canonicalise(rewritten(model, seed))) < SAME_WEIGHTS


def test_weights_that_tie_have_a_form_of_the_same_function_though_not_a_unique_one() -> None:
    """Written by hand, with equal singular values and neurons: nothing orders them, but nothing breaks either."""
    model = load(zoo.path(WRITTEN_DOWN)).model.double()
    assert largest_logit_difference(model, canonicalise(model)) <= EXACT_LOGITS
