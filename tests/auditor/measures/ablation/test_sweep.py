"""The shared sweep against the plain way: one sentence, one component, the whole model from the tokens on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given

from auditor.behaviour.effects import kl_per_position, mean_head_outputs
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Hook, Site
from auditor.measures.ablation import sweep as sweeping
from auditor.measures.ablation.effects import EFFECTS
from auditor.measures.ablation.substitutes import mean, mean_per_position, zero
from auditor.measures.ablation.sweep import Ablation, Substitute, head_ablation_effects, sweep
from auditor.measures.untouched import Untouched
from auditor.records import Component
from auditor.testing.architectures import LAW, architectures
from auditor.testing.families import FAMILIES, task_for
from tests.handmade import inputs_for, random_model

ROUNDING = 1e-12
SINGLE = 1e-6
"""What another batch may change in float32: a few units in the last place of a KL below 1."""

TOKENS_AT_ONCE = (1, 7 * 11, 64 * 11)
"""One, 7 and 64 of the longest sequences."""


def all_ablations(model: CanonicalTransformer, inputs: InputBatch) -> list[Ablation]:
    """Every site, every component, every substitute that needs no random numbers."""
    architecture = model.architecture
    layers = range(architecture.layers)
    components = {
        Site.Z: architecture.heads,
        Site.ATTENTION_OUT: tuple(Component(layer, part="attention") for layer in layers),
        Site.NEURON: architecture.neurons,
        Site.MLP_OUT: tuple(Component(layer, part="mlp") for layer in layers),
    }
    sites = [Site.Z, Site.ATTENTION_OUT] + ([Site.NEURON, Site.MLP_OUT] if architecture.neurons else [])
    return [
        Ablation(components[site], site, substitute)
        for site in sites
        for substitute in (
            zero(model),
            mean(Untouched(model, inputs), site),
            mean_per_position(Untouched(model, inputs), site),
        )
    ]


@torch.no_grad()
def naive_effects(model: CanonicalTransformer, inputs: InputBatch, ablation: Ablation) -> np.ndarray:
    """Mean KL over the scored outputs, [sequence, component], from scratch each time."""
    effects = np.empty((len(inputs), len(ablation.components)))
    for row, length in enumerate(inputs.not_padding.sum(1).tolist()):
        tokens, scored = inputs.tokens[row : row + 1, :length], inputs.scored[row, :length]
        values = ablation.substitute(torch.tensor([row]), length)
        log_p = model(tokens).log_softmax(-1)[0]
        for column, component in enumerate(ablation.components):
            log_q = model(tokens, _edit(ablation.site, component, values[component.layer])).log_softmax(-1)[0]
            kl = kl_per_position(log_p, log_q)
            effects[row, column] = float(kl if model.architecture.is_classifier else kl[scored].mean())
    return effects


def _edit(site: Site, component: Component, instead: torch.Tensor) -> Hook:
    def hook(at: Site, layer: int, value: torch.Tensor) -> torch.Tensor:
        if at is not site or layer != component.layer:
            return value
        everywhere, edited = instead.expand_as(value), value.clone()
        unit = component.head if site is Site.Z else component.neuron
        if unit is None:
            return everywhere
        edited[:, :, unit] = everywhere[:, :, unit]
        return edited

    return hook


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sweep_is_the_plain_loop(family: str) -> None:
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]))
    inputs = inputs_for(model, 5)
    ablations = all_ablations(model, inputs)
    for found, ablation in zip(sweep(model, inputs, ablations), ablations, strict=True):
        np.testing.assert_allclose(found, naive_effects(model, inputs, ablation), rtol=0, atol=ROUNDING)
        assert found.max() > 0


@pytest.mark.slow
@LAW
@given(architecture=architectures())
def test_a_sweep_is_the_plain_loop_on_every_architecture(architecture: Architecture) -> None:
    model = random_model(architecture, task_for(architecture))
    inputs = inputs_for(model, 3)
    ablations = all_ablations(model, inputs)
    for found, ablation in zip(sweep(model, inputs, ablations), ablations, strict=True):
        np.testing.assert_allclose(found, naive_effects(model, inputs, ablation), rtol=0, atol=ROUNDING)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_single_precision_does_not_depend_on_the_batch(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]), dtype=torch.float32)
    inputs = inputs_for(model, 64)
    found = []
    whole = InputBatch.batches
    for tokens in TOKENS_AT_ONCE:
        monkeypatch.setattr(sweeping, "EDIT_TOKENS", tokens)
        monkeypatch.setattr(InputBatch, "batches", lambda self, size=tokens, **_: whole(self, tokens=size))
        found.append(np.concatenate(sweep(model, inputs, all_ablations(model, inputs)), axis=1))
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=SINGLE)
    np.testing.assert_allclose(found[2], found[0], rtol=0, atol=SINGLE)


def test_more_padding_changes_nothing() -> None:
    model = random_model(dtype=torch.float32)
    inputs = inputs_for(model, 7)
    names = ("tokens", "not_padding", "scored", "depth", "stack_top_type", "opener")
    wider = InputBatch(inputs.task, **{name: torch.nn.functional.pad(getattr(inputs, name), (0, 3)) for name in names})
    assert not bool(wider.not_padding[:, -3:].any())
    for one, other in zip(
        sweep(model, inputs, all_ablations(model, inputs)),
        sweep(model, wider, all_ablations(model, wider)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=SINGLE)


def test_replacing_some_heads_is_part_of_replacing_all() -> None:
    model = random_model()
    inputs = inputs_for(model, 6)
    means = mean_head_outputs(model, inputs)
    all_heads = head_ablation_effects(model, inputs, means)
    chosen = [model.architecture.heads[i] for i in (3, 0)]
    some = head_ablation_effects(model, inputs, {head: means[head] for head in chosen})
    np.testing.assert_allclose(some, all_heads[:, [3, 0]], rtol=0, atol=ROUNDING)


def test_sequences_without_a_decision_are_left_out() -> None:
    model = random_model()
    inputs = inputs_for(model, 6)
    silent = InputBatch(**{**vars(inputs), "scored": inputs.scored & (torch.arange(6) != 2)[:, None]})
    substitute: Substitute = zero(model)
    ablation = Ablation(model.architecture.heads, Site.Z, substitute)
    for name in ("kl", "logit_difference", "closing_accuracy"):
        (found,) = sweep(model, silent, [ablation], EFFECTS[name])
        (everything,) = sweep(model, inputs, [ablation], EFFECTS[name])
        np.testing.assert_allclose(found, np.delete(everything, 2, axis=0), rtol=0, atol=ROUNDING)
