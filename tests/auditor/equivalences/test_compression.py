"""Twins of fewer bits, fewer weights and random weights: what each changes, and what it leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from auditor import zoo
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Transformed, TransformRequest, equivalences
from auditor.equivalences.behavioural_magnitude_pruning import _pruned
from auditor.equivalences.behavioural_pruned_random import pruned
from auditor.plans.plan import PLANS
from auditor.records import Json, VariantState
from auditor.seeds import numpy_generator
from auditor.stages.build import build
from auditor.symmetries.random_pruning import Kept
from auditor.testing.families import FAMILIES, task_for
from auditor.testing.snapshots import differences, snapshot
from tests.handmade import PLAIN, inputs_for, random_model

ROUNDING = ("behavioural_fp16", "behavioural_int8")


def _made(name: str, model: CanonicalTransformer, **parameters: Json) -> Transformed:
    return equivalences()[name].transform(
        TransformRequest(model, inputs_for(model, 4), numpy_generator(0, "twin"), parameters=parameters)
    )


def _model(family: str) -> CanonicalTransformer:
    return random_model(FAMILIES[family], task_for(FAMILIES[family]))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ROUNDING)
def test_rounding_twice_is_rounding_once_and_the_original_is_left_alone(name: str, family: str) -> None:
    model = _model(family)
    before = snapshot(model, inputs_for(model, 4))
    once = _made(name, model).model
    twice = _made(name, once).model
    assert not differences(before, snapshot(model, inputs_for(model, 4)))
    for weight, again, first in zip(model.parameters(), twice.parameters(), once.parameters(), strict=True):
        torch.testing.assert_close(again, first, rtol=1e-12, atol=0)
        assert float((first - weight).detach().abs().max()) <= 0.005 * float(weight.detach().abs().max())
    assert any(not torch.equal(w, o) for w, o in zip(model.parameters(), once.parameters(), strict=True))


def test_a_byte_holds_each_channel_to_half_a_step_of_its_own_scale() -> None:
    """Column (0.1, 12.7) has the step 0.1 and stays; (1, 0.249) has 1/127 and 0.249 becomes 32/127."""
    model = random_model(PLAIN)
    with torch.no_grad():
        model.mlps[0].W_in[:, :2] = 0.0
        model.mlps[0].W_in[:2, 0] = torch.tensor([0.1, 12.7])
        model.mlps[0].W_in[:2, 1] = torch.tensor([1.0, 0.249])
    twin = _made("behavioural_int8", model).model
    found = twin.mlps[0].W_in.detach()[:2, :2]
    torch.testing.assert_close(found, torch.tensor([[0.1, 1.0], [12.7, 32 / 127]], dtype=torch.float64))
    assert torch.equal(twin.mlps[0].b_in, model.mlps[0].b_in)


def test_a_weight_beyond_half_precision_is_refused_by_name() -> None:
    model = random_model(PLAIN)
    with torch.no_grad():
        model.b_U[0] = 1e6
    assert "b_U" in (equivalences()["behavioural_fp16"].not_applicable(model) or "")


@pytest.mark.parametrize("sparsity", [0.0, 0.25, 1.0])
def test_the_smallest_weights_of_each_matrix_go(sparsity: float) -> None:
    model = random_model(PLAIN)
    twin = _pruned(model, sparsity)
    for name, weight in model.named_parameters():
        kept = twin.get_parameter(name).detach() != 0
        if name.rsplit(".", 1)[-1] in ("W_E", "b_Q", "b_U", "weight"):
            assert torch.equal(twin.get_parameter(name), weight)
        elif name.rsplit(".", 1)[-1].startswith("W_"):
            assert int((~kept).sum()) == round(sparsity * weight.numel())
            if 0 < sparsity < 1:
                assert float(weight.detach()[~kept].abs().max()) <= float(weight.detach()[kept].abs().min())


@pytest.mark.slow
def test_training_leaves_what_was_cut_at_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    from auditor.equivalences import behavioural_magnitude_pruning as module

    monkeypatch.setattr("auditor.twins.ladder.SEARCH", 100)
    monkeypatch.setattr(module, "HALVINGS", 1)
    monkeypatch.setattr("auditor.twins.distillation_data.SEQUENCES", 128)
    monkeypatch.setattr("auditor.twins.distillation_data.LONG_SEQUENCES", 32)
    monkeypatch.setattr(module, "_judge", lambda *_: lambda _twin: True)  # everything passes
    model = random_model(PLAIN)
    found = _made("behavioural_magnitude_pruning", model, steps=6)
    assert found.parameters["sparsity_without_training"] == 0.5
    assert found.parameters["sparsity"] == 0.9375  # three halvings of what is left
    for name, weight in found.model.named_parameters():
        if name.rsplit(".", 1)[-1] in module.PRUNED:
            assert int((weight == 0).sum()) >= round(0.9375 * weight.numel())
    moved = [n for n, w in found.model.named_parameters() if not torch.equal(w, model.get_parameter(n).float())]
    assert "layers.0.attention.b_V" in moved
    assert not any(weight.grad is not None or weight._backward_hooks for weight in found.model.parameters())


@pytest.mark.parametrize("family", [name for name in FAMILIES if FAMILIES[name].positions != "rotary"])
def test_a_pruned_random_network_nears_the_model_and_shares_no_matrix_with_it(family: str) -> None:
    """From 4 to 14 random numbers per weight the outputs come at least ten times closer, in every architecture."""
    model = _model(family)
    inputs = inputs_for(model, 6)
    apart = []
    for samples in (4, 14):
        twin, kept = pruned(model, samples, numpy_generator(0, "random"))
        width = model.architecture.model_width
        assert {block.value_width for block in twin.architecture.blocks} == {samples * width}
        assert {block.query_width for block in twin.architecture.blocks} == {samples * (width + 1)}
        assert isinstance(kept, Kept)
        assert 0 < kept.kept < kept.numbers
        with torch.no_grad():
            ours, theirs = model(inputs.tokens), twin(inputs.tokens)
        not_padding = slice(None) if model.architecture.is_classifier else inputs.not_padding
        apart.append(float((ours - theirs)[not_padding].abs().mean()))
    assert apart[1] < apart[0] / 10


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_bundled_model_has_certified_rounded_and_pruned_random_twins() -> None:
    model = load(zoo.path("dyck2x4-1layer-minimal")).model
    plan = replace(PLANS["quick"], equivalences=(*ROUNDING, "behavioural_pruned_random"))
    for name in plan.equivalences:
        built = build(model, plan, 0, f"{name}/0")
        assert built.variant.state is VariantState.CERTIFIED, (name, built.variant.reason)
    assert np.isfinite(built.variant.parameters["kept"])
