"""Reading and replacing activations: equal to running from scratch, and nothing stays behind."""

from __future__ import annotations

import pytest
import torch

from auditor.canonical.interventions import replace_head, run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.errors import PlanError
from auditor.records import Component
from auditor.testing.families import FAMILIES, task_for
from tests.handmade import inputs_for, random_model

ROUNDING = 1e-12


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest) -> CanonicalTransformer:
    """One model of each kind."""
    return random_model(FAMILIES[request.param], task_for(FAMILIES[request.param]))


@torch.no_grad()
def test_replacing_a_head_by_its_own_output_changes_nothing(model: CanonicalTransformer) -> None:
    tokens = inputs_for(model, 4).tokens
    plain, cache = run_with_cache(model, tokens, sites=(Site.Z,))
    for head in model.architecture.heads:
        own = cache[Site.Z, head.layer][:, :, head.head]
        assert torch.equal(model(tokens, replace_head(model, head, own)), plain)


@torch.no_grad()
def test_a_replacement_is_that_of_a_changed_weight(model: CanonicalTransformer) -> None:
    """With W_V = 0 and b_V = c a head's z is c everywhere."""
    tokens = inputs_for(model, 4).tokens
    for head in model.architecture.heads:
        value = torch.full((model.architecture.blocks[head.layer].value_width,), 0.7, dtype=torch.float64)
        changed = model.clone()
        changed.attentions[head.layer].W_V[:, head.head] = 0.0
        changed.attentions[head.layer].b_V[head.head] = value
        replaced = model(tokens, replace_head(model, head, value))
        torch.testing.assert_close(replaced, changed(tokens), rtol=0, atol=ROUNDING)


@torch.no_grad()
def test_sites_have_the_axes_they_name(model: CanonicalTransformer) -> None:
    tokens = inputs_for(model, 3).tokens
    (batch, length), architecture = tokens.shape, model.architecture
    _, cache = run_with_cache(model, tokens, sites=Site)
    residual = (batch, length, architecture.model_width)
    assert cache[Site.EMBEDDING, 0].shape == residual
    for layer, block in enumerate(architecture.blocks):
        assert cache[Site.RESIDUAL, layer].shape == cache[Site.ATTENTION_OUT, layer].shape == residual
        assert cache[Site.PATTERN, layer].shape == (batch, block.heads, length, length)
        torch.testing.assert_close(
            cache[Site.PATTERN, layer].sum(-1), torch.ones(batch, block.heads, length, dtype=torch.float64)
        )
        assert cache[Site.Z, layer].shape == (batch, length, block.heads, block.value_width)
        if block.neurons:
            assert cache[Site.NEURON, layer].shape == (batch, length, block.neurons)
            assert cache[Site.MLP_OUT, layer].shape == residual


@torch.no_grad()
def test_a_hook_that_raises_leaves_nothing_behind(model: CanonicalTransformer) -> None:
    tokens = inputs_for(model, 2).tokens
    before = model(tokens)

    def failing(site: Site, layer: int, value: torch.Tensor) -> torch.Tensor:
        if site is Site.Z:
            raise RuntimeError("midway")
        return value * 2

    with pytest.raises(RuntimeError, match="midway"):
        model(tokens, failing)
    assert torch.equal(model(tokens), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_head_that_does_not_exist_is_refused() -> None:
    model = random_model()
    with pytest.raises(PlanError, match="no head L0H7"):
        replace_head(model, Component(0, head=7), torch.zeros(()))
