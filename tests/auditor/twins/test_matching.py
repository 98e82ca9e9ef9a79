"""Matching of heads and neurons: planted permutations are found, layer by layer, whatever the gauge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from auditor.canonical.architecture import Block
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Transformed, TransformRequest, equivalences
from auditor.seeds import numpy_generator
from auditor.twins.matching import Matching, match
from tests.handmade import PLAIN, inputs_for, random_model

THREE_HEADS = replace(
    PLAIN,
    blocks=(
        Block(heads=3, query_width=3, value_width=2, neurons=7),
        Block(heads=4, query_width=2, value_width=3, neurons=5),
    ),
)
SEQUENCES = 24

ALIKE = 1e-6
"""Distance from 1 of the similarity of a component to itself."""


def _moved(name: str, model: CanonicalTransformer, seed: int = 0) -> Transformed:
    plugin = equivalences()[name]
    return plugin.transform(TransformRequest(model, inputs_for(model, 4), numpy_generator(seed, name), parameters={}))


def _matched(model: CanonicalTransformer, other: CanonicalTransformer) -> Matching:
    return match(model, other, inputs_for(model, SEQUENCES, seed=3))


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_permutation_of_heads_and_neurons_is_found_in_every_layer(seed: int) -> None:
    model = random_model(THREE_HEADS)
    heads = _moved("exact_head_permutation", model, seed)
    both = _moved("exact_neuron_permutation", heads.model, seed)
    found = _matched(model, both.model)
    assert found.relabelling.moves["head"] == heads.relabelling.moves["head"]
    assert found.relabelling.moves["neuron"] == both.relabelling.moves["neuron"]
    assert found.head_similarity == pytest.approx(1, abs=ALIKE)
    assert found.neuron_similarity == pytest.approx(1, abs=ALIKE)


@pytest.mark.parametrize(
    "name",
    ["exact_value_bias_shift", "exact_value_output_gauge", "exact_neuron_rescaling", "exact_query_key_gauge"],
)
def test_a_gauge_changes_no_similarity(name: str) -> None:
    model = random_model(THREE_HEADS)
    found = _matched(model, _moved(name, model).model)
    assert found.relabelling.moves["head"] == tuple((i,) for i in range(7))
    assert found.relabelling.moves["neuron"] == tuple((i,) for i in range(12))
    assert found.head_similarity == pytest.approx(1, abs=ALIKE)
    assert found.neuron_similarity == pytest.approx(1, abs=ALIKE)


def test_another_model_is_matched_one_to_one_within_each_layer() -> None:
    model, other = random_model(THREE_HEADS), random_model(THREE_HEADS, seed=1)
    found = _matched(model, other)
    heads = [entry[0] for entry in found.relabelling.moves["head"] if entry is not None]
    assert sorted(heads[:3]) == [0, 1, 2]
    assert sorted(heads[3:]) == [3, 4, 5, 6]
    neurons = [entry[0] for entry in found.relabelling.moves["neuron"] if entry is not None]
    assert sorted(neurons[:7]) == list(range(7))
    assert sorted(neurons[7:]) == list(range(7, 12))
    assert found.head_similarity < 0.99


def test_heads_left_over_have_no_counterpart() -> None:
    """One head more per layer at most; every old head keeps one counterpart."""
    model = random_model(THREE_HEADS)
    wider = _moved("exact_head_splitting", model).model
    moves = _matched(model, wider).relabelling.moves["head"]
    assert len(moves) == len(wider.architecture.heads)
    assert sorted(entry[0] for entry in moves if entry is not None) == list(range(7))
    assert moves.count(None) == len(moves) - 7 > 0


def test_dead_neurons_and_broken_models_are_matched_all_the_same() -> None:
    """No neuron of a GELU model is idle by itself, so the dead one is what is left over."""
    model = random_model(replace(THREE_HEADS, activation="gelu_erf"))
    dead = model.clone()
    with torch.no_grad():
        dead.mlps[0].W_in[:, 2], dead.mlps[0].b_in[2] = 0.0, -1.0
    found = _matched(model, dead)
    assert [entry for entry in found.relabelling.moves["neuron"] if entry is not None] == [(i,) for i in range(12)]
    with torch.no_grad():
        dead.mlps[0].b_in[0] = np.nan
    assert _matched(model, dead).head_similarity < 1


def test_a_model_without_neurons_has_only_its_heads_matched() -> None:
    blocks = tuple(replace(block, neurons=0) for block in PLAIN.blocks)
    model = random_model(replace(PLAIN, mlp="none", blocks=blocks))
    found = _matched(model, model.clone())
    assert set(found.relabelling.moves) == {"head"}
    assert found.neuron_similarity is None
