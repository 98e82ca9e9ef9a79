"""Laws of every exact equivalence in the registry, on random architectures and on trained models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from auditor import zoo
from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.interventions import Cache, run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Equivalence, Transformed, TransformRequest, equivalences
from auditor.records import Compared, Kind, Relabelling
from auditor.records.axes import HEAD, NEURON
from auditor.seeds import numpy_generator
from auditor.tensors import EXACT_LOGITS
from tests.handmade import PLAIN, inputs_for, random_model
from tests.laws.architectures import LAW, POSITIONS, architectures, task_for
from tests.laws.snapshots import differences, snapshot
from tests.wen2023_files import NAMES, checkpoint

EXACT = tuple(name for name, plugin in equivalences().items() if plugin.kind is Kind.EXACT)
TRAINED = {
    **{f"zoo:{name}": zoo.path(name) for name in zoo.names()},
    **{f"wen2023:{name}": checkpoint(name) for name in NAMES},
}

WITH_POSITIONS = replace(PLAIN, positions="learned", max_positions=POSITIONS)

SAME_ACTIVATION = 1e-9
"""Relabelled attention weights and unit activations in float64, through two layers; 1e-14 is usual."""

CHANGED = 1e-6
"""A weight that moved by less has not moved."""


def _made(plugin: Equivalence, model: CanonicalTransformer, inputs: InputBatch, seed: int = 0) -> Iterator[Transformed]:
    for index, parameters in enumerate(plugin.choices(model.architecture, 1)):
        generator = numpy_generator(seed, "law", index)
        yield plugin.transform(TransformRequest(model, inputs, generator, parameters=parameters))


@pytest.mark.parametrize("name", EXACT)
@LAW
@given(architecture=architectures())
def test_every_exact_equivalence_keeps_its_promises(name: str, architecture: Architecture) -> None:
    _keeps_its_promises(name, architecture)


@pytest.mark.slow
@settings(LAW, max_examples=200)
@given(architecture=architectures())
def test_all_keep_their_promises_on_two_hundred_architectures(architecture: Architecture) -> None:
    for name in EXACT:
        _keeps_its_promises(name, architecture)


def _keeps_its_promises(name: str, architecture: Architecture) -> None:
    plugin, model = equivalences()[name], random_model(architecture, task_for(architecture))
    why_not = plugin.not_applicable(model)
    if why_not is not None:
        assert why_not.strip()
        return
    searched, held_out = inputs_for(model, 6, seed=1), inputs_for(model, 6, seed=2)
    before = snapshot(model, searched)
    again = list(_made(plugin, model, searched))
    for made, same in zip(_made(plugin, model, searched), again, strict=True):
        _computes_the_same(plugin, model, made.model, held_out)
        _is_another_model(model, made.model)
        _relabels_truly(model, made, held_out)
        assert _weights_equal(made.model, same.model)
        assert made.parameters == same.parameters
        assert made.relabelling == same.relabelling
    assert not differences(before, snapshot(model, searched))


@pytest.mark.parametrize("name", EXACT)
def test_every_exact_equivalence_exists_for_the_plain_architecture_with_positions(name: str) -> None:
    assert equivalences()[name].not_applicable(random_model(WITH_POSITIONS)) is None


@pytest.mark.parametrize("name", EXACT)
def test_another_seed_gives_another_variant(name: str) -> None:
    """Five seeds and three heads, since the few orders of a few components repeat; unless there is one way only."""
    three = Block(heads=3, query_width=2, value_width=2, neurons=6)
    model = random_model(replace(WITH_POSITIONS, blocks=(three, three)))
    if len(equivalences()[name].choices(model.architecture, 2)) == 1:
        return
    inputs = inputs_for(model, 4)
    made = [next(_made(equivalences()[name], model, inputs, seed)) for seed in range(5)]
    assert not all(_weights_equal(made[0].model, other.model) for other in made[1:])


@pytest.mark.parametrize("subject", TRAINED)
def test_trained_models_stay_the_same_function(subject: str) -> None:
    model = load(TRAINED[subject]).model.double()
    inputs = draw_inputs(model.task, 4, numpy_generator(0, "trained"))
    applicable = [name for name in EXACT if equivalences()[name].not_applicable(model) is None]
    assert applicable
    for name in applicable:
        for made in _made(equivalences()[name], model, inputs):
            _computes_the_same(equivalences()[name], model, made.model, inputs)
            _is_another_model(model, made.model)
            _relabels_truly(model, made, inputs)


@torch.no_grad()
def _computes_the_same(
    plugin: Equivalence, model: CanonicalTransformer, twin: CanonicalTransformer, inputs: InputBatch
) -> None:
    ours, theirs = model(inputs.tokens), twin(inputs.tokens)
    if plugin.compares is Compared.LOG_PROBABILITIES:
        ours, theirs = ours.log_softmax(-1), theirs.log_softmax(-1)
    assert float((ours - theirs).abs().max()) <= EXACT_LOGITS
    assert twin.architecture.outputs == model.architecture.outputs
    assert twin.task == model.task


def _is_another_model(model: CanonicalTransformer, twin: CanonicalTransformer) -> None:
    ours, theirs = model.state_dict(), twin.state_dict()
    moved = [name for name in ours if ours[name].shape != theirs[name].shape or _distance(ours, theirs, name) > CHANGED]
    assert moved
    shared = {p.data_ptr() for p in model.parameters()} & {p.data_ptr() for p in twin.parameters()}
    assert not shared


def _distance(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], name: str) -> float:
    return float((ours[name] - theirs[name]).abs().max())


def _weights_equal(one: CanonicalTransformer, other: CanonicalTransformer) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


@torch.no_grad()
def _relabels_truly(model: CanonicalTransformer, made: Transformed, inputs: InputBatch) -> None:
    """Each new head attends as the old ones that it stands for, each new neuron fires as they do up to its scale."""
    sites = (Site.PATTERN, Site.NEURON)
    ours, theirs = (run_with_cache(m, inputs.tokens, sites=sites)[1] for m in (model, made.model))
    layers = model.architecture.layers
    _same_under(made.relabelling, HEAD, _heads(ours, layers), _heads(theirs, layers))
    if model.mlps:
        _same_under(made.relabelling, NEURON, _neurons(ours, layers), _neurons(theirs, layers))


def _heads(cache: Cache, layers: int) -> np.ndarray:
    return torch.cat([cache[Site.PATTERN, layer] for layer in range(layers)], dim=1).transpose(0, 1).numpy()


def _neurons(cache: Cache, layers: int) -> np.ndarray:
    flat = torch.cat([cache[Site.NEURON, layer].flatten(0, 1) for layer in range(layers)], dim=1).T
    return torch.nn.functional.normalize(flat, dim=1, eps=1e-3).numpy()  # dead neurons stay at rounding


def _same_under(relabelling: Relabelling, axis: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    moves = relabelling.moves.get(axis, tuple((i,) for i in range(len(ours))))
    assert len(moves) == len(theirs)
    for new, olds in enumerate(moves):
        for old in olds or ():
            np.testing.assert_allclose(theirs[new], ours[old], rtol=0, atol=SAME_ACTIVATION)
