"""One fingerprint per function, whatever the weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor import zoo
from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Equivalence, TransformRequest, equivalences
from auditor.errors import CheckpointError
from auditor.fingerprint.function import function_fingerprint
from auditor.fingerprint.sketch import label, same_function
from auditor.records import Kind
from auditor.seeds import numpy_generator, torch_generator
from auditor.testing.families import FAMILIES, task_for
from tests.handmade import PLAIN, counting_model, random_model
from tests.wen2023_files import NAMES, checkpoint

EXACT = {name: plugin for name, plugin in equivalences().items() if plugin.kind is Kind.EXACT}
COMPOSITION = EXACT["exact_random_composition"]
NOISE = 1e-3
"""Relative noise on every weight that makes another function."""

TRAINED = (*zoo.names(), *NAMES)


def trained(name: str) -> CanonicalTransformer:
    """A bundled or published model."""
    return load(zoo.path(name) if name in zoo.names() else checkpoint(name)).model


def rewritten(model: CanonicalTransformer, plugin: Equivalence, seed: int = 0) -> CanonicalTransformer:
    """The same function in other weights."""
    generator = numpy_generator(seed, "fingerprint")
    inputs = draw_inputs(model.task, 4, generator)
    choice = next(iter(plugin.choices(model.architecture, 1)))
    return plugin.transform(TransformRequest(model, inputs, generator, parameters=choice)).model


def noisy(model: CanonicalTransformer, seed: int = 0, *, names: str = "") -> CanonicalTransformer:
    """Every weight, or those whose name begins so, times 1 + 1e-3 N(0, 1)."""
    other, generator = model.clone(dtype=torch.float64), torch_generator(seed, "noise")
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            if name.startswith(names):
                parameter.mul_(1 + NOISE * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return other


@pytest.mark.parametrize("name", EXACT)
def test_every_exact_equivalence_keeps_the_fingerprint(name: str) -> None:
    models = [random_model(architecture, task_for(architecture)) for architecture in FAMILIES.values()]
    applicable = [model for model in models if EXACT[name].not_applicable(model) is None]
    assert applicable
    for model in applicable:
        twin = rewritten(model, EXACT[name])
        assert same_function(function_fingerprint(model), function_fingerprint(twin))


@pytest.mark.parametrize("family", FAMILIES)
def test_compositions_keep_it_in_every_family_also_in_float32(family: str) -> None:
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]))
    original = function_fingerprint(model)
    for seed in range(3):
        exact = rewritten(model, COMPOSITION, seed)
        rounded = rewritten(model.clone(dtype=torch.float32), COMPOSITION, seed)
        assert same_function(original, function_fingerprint(exact))
        assert label(original) == label(function_fingerprint(exact))
        assert same_function(original, function_fingerprint(exact.clone(dtype=torch.float32)))
        assert same_function(original, function_fingerprint(rounded))
        assert not same_function(original, function_fingerprint(noisy(model, seed)))


def test_a_head_split_in_two_keeps_it() -> None:
    """Two heads with the same Q, K and V, whose W_O are shares of 0.3 and 0.7."""
    model = random_model(replace(PLAIN, blocks=(replace(PLAIN.blocks[0], heads=1),)))
    wide = model.clone(architecture=replace(PLAIN, blocks=(replace(PLAIN.blocks[0], heads=2),)))
    state = dict(model.state_dict())
    for name in ("W_Q", "W_K", "W_V"):
        state[f"layers.0.attention.{name}"] = state[f"layers.0.attention.{name}"].repeat(1, 2, 1)
    for name in ("b_Q", "b_K", "b_V"):
        state[f"layers.0.attention.{name}"] = state[f"layers.0.attention.{name}"].repeat(2, 1)
    output = state["layers.0.attention.W_O"]
    state["layers.0.attention.W_O"] = torch.cat([0.3 * output, 0.7 * output])
    wide.load_state_dict(state)
    assert same_function(function_fingerprint(model), function_fingerprint(wide))


@pytest.mark.parametrize("part", ["W_E", "layers.0.attention.W_K", "layers.1.mlp.b_in", "final_norm", "b_U"])
def test_noise_in_any_one_part_changes_the_fingerprint(part: str) -> None:
    model = random_model()
    assert not same_function(function_fingerprint(model), function_fingerprint(noisy(model, names=part)))


def test_a_token_outside_the_training_data_changes_the_fingerprint() -> None:
    """MASK is in no Dyck word, but it is in the domain of the function."""
    model, other = random_model(), random_model()
    with torch.no_grad():
        other.W_E[model.task.language.vocabulary.mask or 0] *= 1.1
    assert not same_function(function_fingerprint(model), function_fingerprint(other))


def test_the_task_is_no_part_of_the_function_but_the_meaning_of_ids_is() -> None:
    model = random_model()
    longer = random_model(task=replace(model.task, max_length=20))
    assert function_fingerprint(longer) == function_fingerprint(model)
    table = model.task.language.vocabulary
    swapped = replace(model.task.language, vocabulary=replace(table, closing=table.closing[::-1]))
    other = random_model(task=replace(model.task, language=swapped))
    assert not same_function(function_fingerprint(other), function_fingerprint(model))


def test_the_fingerprint_of_version_1_never_changes() -> None:
    """The counting model has no random weight; stored fingerprints stay comparable as long as this holds."""
    assert label(function_fingerprint(counting_model())) == "cbbaqcdy57bd"


def test_taking_a_fingerprint_does_not_change_the_model() -> None:
    model = random_model(dtype=torch.float32)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    function_fingerprint(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_outputs_that_overflow_are_refused() -> None:
    model = random_model()
    with torch.no_grad():
        model.b_U.fill_(1e308)
        model.b_U[::2] *= -1
    with pytest.raises(CheckpointError, match="NaN or beyond"):
        function_fingerprint(model)


def test_published_and_bundled_models_are_all_different_functions() -> None:
    texts = [function_fingerprint(trained(name)) for name in TRAINED]
    pairs = [(a, b) for i, a in enumerate(texts) for b in texts[:i]]
    assert not any(same_function(a, b) for a, b in pairs)
    assert len({label(text) for text in texts}) == len(texts)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dyck2x4-2layer-2head", "balance_acc_baseline_seed0"])
def test_rewritings_are_one_function_and_others_are_not(name: str) -> None:
    """Of each model 50 random compositions, stored in float32, 50 noisy copies and 50 other seeds: no error at all."""
    model = trained(name)
    original = function_fingerprint(model)
    exact = model.clone(dtype=torch.float64)
    for seed in range(50):
        twin = rewritten(exact, COMPOSITION, seed).clone(dtype=torch.float32)
        unrelated = random_model(model.architecture, model.task, seed=seed)
        assert same_function(original, function_fingerprint(twin))
        assert not same_function(original, function_fingerprint(noisy(model, seed)))
        assert not same_function(original, function_fingerprint(unrelated))
