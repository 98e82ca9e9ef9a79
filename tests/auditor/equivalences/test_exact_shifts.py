"""The moves that add a constant or a scale without effect on the function: keys, neurons, embeddings, logits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor.behaviour.certificate import certify_exact
from auditor.canonical.architecture import Architecture
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import TransformRequest, equivalences
from auditor.plans.plan import PLANS
from auditor.records import Compared, VariantState
from auditor.seeds import numpy_generator
from auditor.stages.build import build
from tests.handmade import PLAIN, TASK, inputs_for, random_model

LEARNED = replace(PLAIN, positions="learned", max_positions=40)
ROTARY = replace(
    PLAIN,
    blocks=(replace(PLAIN.blocks[1], query_width=4),),
    positions="rotary",
    rotary_width=4,
    rotary_pairs="adjacent",
)
CLASSIFIER = replace(PLAIN, causal=False, pad_masked=True, read_out=0, classes=2)


def _made(name: str, model: CanonicalTransformer) -> CanonicalTransformer:
    inputs, generator = inputs_for(model, 1), numpy_generator(0, "test")
    return equivalences()[name].transform(TransformRequest(model, inputs, generator, parameters={})).model


@torch.no_grad()
def test_the_key_bias_moves_every_score_of_a_row_alike() -> None:
    model = random_model()
    twin = _made("exact_key_bias_shift", model)
    x = model.embed(inputs_for(model, 1).tokens)[0]
    rows = []
    for attention in (model.attentions[0], twin.attentions[0]):
        q = torch.einsum("pm,mhd->hpd", x, attention.W_Q) + attention.b_Q[:, None]
        k = torch.einsum("pm,mhd->hpd", x, attention.W_K) + attention.b_K[:, None]
        rows.append(q @ k.transpose(1, 2))
    change = rows[1] - rows[0]
    torch.testing.assert_close(change, change[..., :1].expand_as(change), rtol=0, atol=1e-11)
    assert float(change.abs().mean()) > 1.0


@torch.no_grad()
def test_a_key_that_is_turned_in_part_is_shifted_in_the_rest() -> None:
    model = random_model(replace(ROTARY, blocks=(replace(ROTARY.blocks[0], query_width=5),)))
    moved = _made("exact_key_bias_shift", model).attentions[0].b_K - model.attentions[0].b_K
    assert bool((moved[:, :4] == 0).all())
    assert bool((moved[:, 4:].abs() > 1e-3).all())


@torch.no_grad()
def test_a_rescaled_neuron_fires_more_and_writes_less() -> None:
    model = random_model()
    twin = _made("exact_neuron_rescaling", model)
    tokens = inputs_for(model, 6).tokens
    ours, theirs = (run_with_cache(m, tokens, sites=(Site.NEURON,))[1][Site.NEURON, 0] for m in (model, twin))
    scale = twin.mlps[0].b_in / model.mlps[0].b_in
    assert float(scale.min()) > 0
    torch.testing.assert_close(theirs, ours * scale)
    torch.testing.assert_close(twin.mlps[0].W_out, model.mlps[0].W_out / scale[:, None])


@torch.no_grad()
def test_every_row_of_both_tables_trades_the_same_constant() -> None:
    model = random_model(LEARNED)
    twin = _made("exact_embedding_trade", model)
    gained, lost = twin.W_E - model.W_E, model.W_pos - twin.W_pos
    torch.testing.assert_close(gained, gained[:1].expand_as(gained))
    torch.testing.assert_close(lost, gained[:1].expand_as(lost))
    everything = torch.arange(40)[None] % len(TASK.language.vocabulary)  # every position, PAD and unused tokens too
    torch.testing.assert_close(model(everything), twin(everything), rtol=0, atol=1e-12)


@pytest.mark.parametrize("architecture", [PLAIN, replace(PLAIN, tied_unembedding=True), CLASSIFIER])
def test_the_logit_shift_keeps_the_distribution_and_not_the_logits(architecture: Architecture) -> None:
    model = random_model(architecture, replace(TASK, objective="classifier") if architecture.is_classifier else TASK)
    twin, inputs = _made("exact_logit_shift", model), inputs_for(model, 8)
    kept = certify_exact(model, twin, inputs, compares=Compared.LOG_PROBABILITIES)
    assert kept.passed
    assert kept.margins == {"max_abs_log_probability_difference": 1e-9}
    assert kept.max_abs_log_probability_difference is not None
    assert kept.max_abs_log_probability_difference < 1e-12
    moved = certify_exact(model, twin, inputs)
    assert not moved.passed
    assert moved.max_abs_logit_difference is not None
    assert moved.max_abs_logit_difference > 0.1
    assert moved.max_abs_log_probability_difference is None


@torch.no_grad()
def test_a_changed_distribution_fails_the_weaker_promise_too() -> None:
    model = random_model()
    twin = model.clone()
    twin.b_U[0] += 1e-6
    found = certify_exact(model, twin, inputs_for(model, 8), compares=Compared.LOG_PROBABILITIES)
    assert not found.passed
    assert found.failures[0].startswith("max|Δlog p| ")


def test_an_audit_certifies_a_logit_shift() -> None:
    plan = replace(PLANS["quick"], sequences=4, certificate_sequences=8, equivalences=("exact_logit_shift",))
    built = build(random_model(), plan, 0, "exact_logit_shift/0")
    assert built.variant.state is VariantState.CERTIFIED


@pytest.mark.parametrize(
    ("name", "architecture", "reason"),
    [
        (
            "exact_neuron_rescaling",
            replace(PLAIN, activation="gelu_erf"),
            "the activation function gelu_erf does not commute with positive scales",
        ),
        (
            "exact_neuron_rescaling",
            replace(PLAIN, mlp="identity", blocks=(replace(PLAIN.blocks[0], neurons=0),)),
            "the model has no MLP neurons",
        ),
        (
            "exact_key_bias_shift",
            ROTARY,
            "rotary positions turn every feature of a key, so a constant added to it does not stay one",
        ),
        (
            "behavioural_pruned_random",
            ROTARY,
            "rotary positions turn queries and keys before they meet, so their product cannot be widened",
        ),
        (
            "exact_embedding_trade",
            ROTARY,
            "the model has no learned position table to trade with (positions: rotary)",
        ),
        (
            "exact_embedding_trade",
            PLAIN,
            "the model has no learned position table to trade with (positions: none)",
        ),
        (
            "exact_embedding_trade",
            replace(LEARNED, tied_unembedding=True),
            "the tied unembedding reads the token table without the positions",
        ),
    ],
)
def test_reasons(name: str, architecture: Architecture, reason: str) -> None:
    assert equivalences()[name].not_applicable(random_model(architecture)) == reason
