"""The laws that every equivalence keeps; those of exact ones on given and on random architectures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.interventions import Cache, run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Equivalence, Transformed, TransformRequest, equivalences, methods
from auditor.records import Compared, Kind, Relabelling
from auditor.records.axes import HEAD, NEURON
from auditor.seeds import numpy_generator
from auditor.tensors import EXACT_LOGITS
from auditor.testing.families import FAMILIES, POSITIONS, task_for
from auditor.testing.models import PLAIN, inputs_for, random_model
from auditor.testing.snapshots import differences, snapshot

WITH_POSITIONS = replace(PLAIN, positions="learned", max_positions=POSITIONS)

SAME_ACTIVATION = 1e-9
"""Relabelled attention weights and unit activations in float64, through two layers; 1e-14 is usual."""

ALMOST_DEAD = 1e-5
"""Length of a neuron's activations below which they are compared as they are, by as much: rounding has no scale."""

CHANGED = 1e-6
"""A weight that moved by less has not moved."""


def a_card_is_complete(name: str) -> None:
    """Texts, a version, and of an exact one what it changes or what versions of which others it is made of."""
    plugin, known = equivalences()[name], equivalences()
    assert all(text.strip() for text in (plugin.summary, plugin.needs, plugin.promise, plugin.source))
    assert plugin.version >= 1
    if plugin.kind is not Kind.EXACT:
        return
    assert bool(plugin.changes) is not bool(plugin.parts), "an exact equivalence declares either changes or parts"
    assert all(known[part].kind is Kind.EXACT and part != name for part in plugin.parts)
    assert dict(plugin.parts) == {part: known[part].version for part in plugin.parts}, "another part: raise the version"
    assert set(plugin.exceptions) <= set(methods())


def it_exists_for_the_plain_architecture_with_positions(name: str) -> None:
    assert equivalences()[name].not_applicable(random_model(WITH_POSITIONS)) is None


def another_seed_gives_another_variant(name: str) -> None:
    """Five seeds and three heads, since the few orders of a few components repeat; unless there is one way only."""
    three = Block(heads=3, query_width=2, value_width=2, neurons=6)
    model = random_model(replace(WITH_POSITIONS, blocks=(three, three)))
    if len(equivalences()[name].choices(model.architecture, 2)) == 1:
        return
    inputs = inputs_for(model, 4)
    made = [next(_made(equivalences()[name], model, inputs, seed)) for seed in range(5)]
    assert not all(_weights_equal(made[0].model, other.model) for other in made[1:])


def it_keeps_its_promises(name: str, architecture: Architecture) -> None:
    """Same function on other inputs, other weights, true relabelling, reproducible from its seed, original kept."""
    they_keep_their_promises((name,), architecture)


def they_keep_their_promises(names: Sequence[str], architecture: Architecture) -> None:
    """The promises of several equivalences on one model of this architecture, which is made once."""
    model = random_model(architecture, task_for(architecture))
    searched, held_out = inputs_for(model, 6, seed=1), inputs_for(model, 6, seed=2)
    before = snapshot(model, searched)
    for name in names:
        plugin = equivalences()[name]
        why_not = plugin.not_applicable(model)
        if why_not is not None:
            assert why_not.strip(), name
            continue
        again = list(_made(plugin, model, searched))
        for made, same in zip(_made(plugin, model, searched), again, strict=True):
            _computes_the_same(plugin, model, made.model, held_out)
            _is_another_model(model, made.model)
            _relabels_truly(model, made, held_out)
            assert _weights_equal(made.model, same.model), name
            assert made.parameters == same.parameters, name
            assert made.relabelling == same.relabelling, name
        assert not differences(before, snapshot(model, searched)), name


def it_keeps_its_promises_on_every_kind_of_model(name: str) -> None:
    for architecture in FAMILIES.values():
        it_keeps_its_promises(name, architecture)


def it_keeps_its_promises_on_random_architectures(name: str) -> None:
    """Needs the package hypothesis."""
    from hypothesis import given

    from auditor.testing.architectures import LAW, architectures

    @LAW
    @given(architecture=architectures())
    def keeps(architecture: Architecture) -> None:
        it_keeps_its_promises(name, architecture)

    keeps()


def every_variant_is_the_same_function(name: str, model: CanonicalTransformer, inputs: InputBatch) -> None:
    """The promises that need no second draw, on a model of one's own."""
    for made in _made(equivalences()[name], model, inputs):
        _computes_the_same(equivalences()[name], model, made.model, inputs)
        _is_another_model(model, made.model)
        _relabels_truly(model, made, inputs)


LAWS: tuple[Callable[[str], None], ...] = (
    it_exists_for_the_plain_architecture_with_positions,
    it_keeps_its_promises_on_every_kind_of_model,
    another_seed_gives_another_variant,
    it_keeps_its_promises_on_random_architectures,
)
"""Laws of an exact equivalence by name."""


def _made(plugin: Equivalence, model: CanonicalTransformer, inputs: InputBatch, seed: int = 0) -> Iterator[Transformed]:
    for index, parameters in enumerate(plugin.choices(model.architecture, 1)):
        generator = numpy_generator(seed, "law", index)
        yield plugin.transform(TransformRequest(model, inputs, generator, parameters=parameters))


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
    return torch.nn.functional.normalize(flat, dim=1, eps=ALMOST_DEAD).numpy()


def _same_under(relabelling: Relabelling, axis: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    moves = relabelling.moves.get(axis, tuple((i,) for i in range(len(ours))))
    assert len(moves) == len(theirs)
    for new, olds in enumerate(moves):
        for old in olds or ():
            np.testing.assert_allclose(theirs[new], ours[old], rtol=0, atol=SAME_ACTIVATION)
