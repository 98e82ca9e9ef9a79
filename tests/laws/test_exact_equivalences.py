"""Laws of every equivalence in the registry; of exact ones on random architectures and on trained models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings

from auditor import zoo
from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.architecture import Architecture, Block
from auditor.checkpoints.intake.detection import load
from auditor.contracts import equivalences
from auditor.records import Kind
from auditor.seeds import numpy_generator
from auditor.testing.architectures import LAW, architectures
from auditor.testing.equivalence_laws import (
    LAWS,
    a_card_is_complete,
    every_variant_is_the_same_function,
    they_keep_their_promises,
)
from tests.handmade import PLAIN
from tests.wen2023_files import NAMES, checkpoint

EXACT = tuple(name for name, plugin in equivalences().items() if plugin.kind is Kind.EXACT)
TRAINED = {
    **{f"zoo:{name}": zoo.path(name) for name in zoo.names()},
    **{f"wen2023:{name}": checkpoint(name) for name in NAMES},
}


@pytest.mark.parametrize("name", equivalences())
def test_an_equivalence_has_a_complete_card(name: str) -> None:
    a_card_is_complete(name)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", EXACT)
def test_an_exact_equivalence_keeps_the_law(name: str, law: Callable[[str], None]) -> None:
    law(name)


@pytest.mark.slow
@settings(LAW, max_examples=200)
@given(architecture=architectures())
def test_all_keep_their_promises_on_two_hundred_architectures(architecture: Architecture) -> None:
    they_keep_their_promises(EXACT, architecture)


def test_a_nearly_silent_neuron_is_compared_up_to_its_scale() -> None:
    """One of six has activations of length 7e-4 on the inputs of the law; rescaling makes them longer or shorter."""
    architecture = replace(
        PLAIN,
        model_width=6,
        blocks=(Block(heads=2, query_width=3, value_width=3, neurons=6),),
        norm="rms",
        norm_sites=("attention_in", "attention_out", "embedding", "mlp_in"),
        attention_residual=False,
        mlp_residual=False,
        output_map=False,
        positions="rotary",
        rotary_width=2,
        rotary_base=10_000.0,
        embedding_trained=False,
        tied_unembedding=False,
        causal=False,
        pad_masked=True,
    )
    they_keep_their_promises(("exact_neuron_rescaling",), architecture)


@pytest.mark.parametrize("subject", TRAINED)
def test_trained_models_stay_the_same_function(subject: str) -> None:
    model = load(TRAINED[subject]).model.double()
    inputs = draw_inputs(model.task, 4, numpy_generator(0, "trained"))
    applicable = [name for name in EXACT if equivalences()[name].not_applicable(model) is None]
    assert applicable
    for name in applicable:
        every_variant_is_the_same_function(name, model, inputs)
