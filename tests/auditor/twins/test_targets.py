"""Surrogates: the scores of the method itself wherever they claim to be, differentiable, or a named substitute."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditor import load
from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, methods
from auditor.errors import PlanError
from auditor.measures.untouched import SITES, Piece
from auditor.readings import method_named
from auditor.records import Claim, Component, Interpretation
from auditor.seeds import numpy_generator
from auditor.twins.targets.aims import aim_at, columns_of
from auditor.twins.targets.registry import NEAREST, is_attackable, surrogate_of
from auditor.zoo import path
from tests.auditor.small_audits import small_model

FEW_POINTS = (
    "attribution_head_integrated_gradients",
    "attribution_token_integrated_gradients",
    "attribution_token_integrated_gradients_zero",
    "circuit_edge_integrated_gradients",
)
"""Attributions whose surrogate takes two points of an integral: it only has to point the same way."""

SMOOTH = ("probe_depth", "probe_stack_top")
"""Methods whose surrogate is smooth where they count."""


def _inputs(model: CanonicalTransformer) -> InputBatch:
    return draw_inputs(model.task, 12, numpy_generator(0, "targets"))


def _read(model: CanonicalTransformer, name: str, inputs: InputBatch) -> Interpretation:
    return methods()[name].interpret(Request(model, inputs, numpy_generator(0, "read")))


def _scores(model: CanonicalTransformer, name: str, inputs: InputBatch, found: Interpretation) -> torch.Tensor:
    scored = [one for index, one in enumerate(found.components) if index not in found.undefined]
    logits, cache = run_with_cache(model, inputs.tokens, sites=SITES)
    piece = Piece(torch.arange(len(inputs)), inputs, logits, cache)
    return surrogate_of(name, model, scored).scores(model, piece, scored)


def _own() -> list[str]:
    model = small_model()
    names = [name for name in methods() if is_attackable(name, model)]
    return [name for name in names if surrogate_of(name, model, ()).method == name]


@pytest.mark.parametrize("name", _own())
def test_a_surrogate_has_the_scores_of_its_method_and_a_slope(name: str) -> None:
    model = small_model().clone(dtype=torch.float64)
    inputs = _inputs(model)
    found = _read(model, name, inputs)
    ours = _scores(model, name, inputs, found)
    scored = tuple(one for index, one in enumerate(found.components) if index not in found.undefined)
    if name not in SMOOTH:
        theirs = columns_of(found, scored).mean(0)
        width = theirs.shape[-1] if theirs.dim() > 1 else None
        mean = ours.detach().mean(0) if width is None else ours.detach().mean(0)[..., :width]
        if name in FEW_POINTS:
            assert float(torch.cosine_similarity(mean.flatten(), theirs.flatten(), dim=0)) > 0.8
        else:
            assert float((mean - theirs).abs().max()) <= 1e-6 * max(float(theirs.abs().max()), 1e-9)
    ours.square().sum().backward()  # type: ignore[no-untyped-call]
    slopes = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(bool(torch.isfinite(slope).all()) for slope in slopes)
    assert any(bool(slope.abs().max() > 0) for slope in slopes)


@pytest.mark.parametrize("name", ["ablation_head_mean at depth >= 2", "attention_stack_top at depth >= 2"])
def test_a_condition_limits_the_outputs_of_a_surrogate_as_of_its_method(name: str) -> None:
    model = small_model().clone(dtype=torch.float64)
    inputs = _inputs(model)
    found = method_named(name).interpret(Request(model, inputs, numpy_generator(0, "read")))
    ours = _scores(model, name, inputs, found).mean(0)
    base = _scores(model, name.split(" at ", maxsplit=1)[0], inputs, found).mean(0)
    assert not torch.allclose(ours, base)
    if name.startswith("attention"):  # the mean of an ablation is taken over the sequences that the method keeps
        assert torch.allclose(ours, columns_of(found, found.components).mean(0), atol=1e-9)


def test_what_has_no_slope_names_its_nearest_method_and_why() -> None:
    model = small_model()
    found = surrogate_of("ablation_head_resample", model, ())
    assert (found.method, found.why) == ("ablation_head_mean", "its substitute is drawn at random")


@pytest.mark.parametrize("name", sorted(NEAREST))
def test_the_nearest_method_scores_the_same_components(name: str) -> None:
    model, inputs = small_model().clone(dtype=torch.float64), _inputs(small_model())
    if is_attackable(name, model):
        ours, theirs = (_read(model, one, inputs).components for one in (name, surrogate_of(name, model, ()).method))
        assert {one.label for one in ours} <= {one.label for one in theirs}


def test_every_method_is_attacked_or_says_why_not_in_one_line() -> None:
    model = load(path("dyck2x4-2layer-2head"))
    refused = {}
    for name in methods():
        try:
            assert surrogate_of(name, model, ()).method in methods()
        except PlanError as why:
            refused[name] = str(why)
    assert all("\n" not in why and name in why for name, why in refused.items())
    assert "random perturbations" in refused["faithfulness_infidelity"]
    assert "differentiated a third time" in refused["attribution_neuron_conductance"]


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(PlanError, match="unknown method 'nonsense'"):
        surrogate_of("nonsense", small_model(), ())


def _heads(scores: list[float]) -> Interpretation:
    components = tuple(Component(0, head=index) for index in range(len(scores)))
    return Interpretation("ablation_head_mean", ("sequence", "head"), components, np.asarray([scores]))


@pytest.mark.parametrize(
    ("kind", "parameters", "after", "effect"),
    [
        ("rank", {"top": 1}, [0.5, 1.0, 0.1], 0.5),
        ("rank", {"top": 1}, [1.0, 0.5, 0.1], -0.5),
        ("rank", {"top": 2}, [0.5, 1.0, 0.7], 0.2),
        ("set", {"members": ["L0H0", "L0H1"]}, [1.0, 0.2, 0.6], 0.4),
        ("comparison", {"other": "L0H1", "by": 0.2}, [1.0, 0.9, 0.1], 0.1),
        ("predicate", {"threshold": 0.8, "above": True}, [0.3, 0.0, 0.0], 0.5),
        ("predicate", {"threshold": 1.5, "above": False}, [3.0, 0.0, 0.0], 1.0),
        ("value", {"score": 1.0}, [0.4, 0.0, 0.0], 0.6),
        ("existence", {"threshold": 0.8, "above": True}, [0.3, 0.6, 0.0], 0.2),  # over 1.0, its best score before
        ("existence", {"threshold": 0.8, "above": True}, [0.1, 0.0, 0.9], -0.1),
    ],
)
def test_the_effect_of_a_claim(kind: str, parameters: dict[str, object], after: list[float], effect: float) -> None:
    base = _heads([1.0, 0.5, 0.1])
    claim = Claim("ablation_head_mean", kind, base.components[0], "c", parameters)  # type: ignore[arg-type]
    aim = aim_at(claim, base, "relative_change", upwards=False)
    scores = columns_of(_heads(after), aim.components)
    assert float(aim.effect(scores, scores).min()) == pytest.approx(effect)


def test_a_component_without_a_score_is_refused_with_those_that_have_one() -> None:
    base = _heads([1.0, 0.5])
    claim = Claim("ablation_head_mean", "value", Component(7, head=0), "c", {"score": 1.0})
    with pytest.raises(PlanError, match="no score for 'L7H0'; expected one of L0H0, L0H1"):
        aim_at(claim, base, "relative_change", upwards=False)


def test_a_kind_of_claim_that_is_not_attacked_is_refused() -> None:
    base = _heads([1.0, 0.5])
    with pytest.raises(PlanError, match="of kind 'unheard of' is not attacked"):
        aim_at(Claim("ablation_head_mean", "unheard of", base.components[0], "c"), base, "", upwards=False)


@pytest.mark.parametrize("score", ["faithfulness", "completeness"])
@pytest.mark.parametrize("members", ["L0H0, L1H0", "L0.mlp->logits, L0H0->L0.mlp"])
def test_a_claimed_circuit_has_the_score_of_its_method_and_a_slope(score: str, members: str) -> None:
    model = load(path("dyck2x4-2layer-2head")).double()
    name, inputs = f"circuit_{score} of {members}", _inputs(model)
    found = method_named(name).interpret(Request(model, inputs, numpy_generator(0, "read")))
    ours = _scores(model, name, inputs, found)
    assert ours.mean().item() == pytest.approx(float(found.values.mean()), abs=1e-9)
    ours.mean().backward()  # type: ignore[no-untyped-call]
    assert float(model.attentions[0].W_Q.grad.abs().max()) > 0  # type: ignore[union-attr]


def test_path_patching_between_heads_has_the_scores_of_its_method_and_a_slope() -> None:
    model, name = load(path("dyck2x4-2layer-2head")).double(), "patching_path_head_to_head"
    inputs = _inputs(model)
    found = method_named(name).interpret(Request(model, inputs, numpy_generator(0, "read")))
    ours = _scores(model, name, inputs, found).mean(0)
    theirs = columns_of(found, found.components).mean(0)
    assert float(theirs.abs().max()) > 0.01
    assert torch.allclose(ours, theirs, atol=1e-9)
    ours[0, 2].backward()  # type: ignore[no-untyped-call]
    assert float(model.attentions[0].W_V.grad.abs().max()) > 0  # type: ignore[union-attr]


@pytest.mark.parametrize(("axis", "second"), [("to_head", "L1H0"), ("with_head", "L0H1")])
def test_claims_about_edges_and_pairs_are_read_at_their_second_head(axis: str, second: str) -> None:
    heads = tuple(Component(layer, head=head) for layer in (0, 1) for head in (0, 1))
    scores = np.zeros((1, 4, 4))
    at = [head.label for head in heads].index(second)
    scores[0, :, at] = [0.6, 0.2, 0.1, 0.0]
    base = Interpretation("weights_composition_v", ("sequence", "head", axis), heads, scores)
    claim = Claim("weights_composition_v", "predicate", heads[0], "c", {"threshold": 0.3, "above": True, axis: second})
    aim = aim_at(claim, base, "frobenius", upwards=False)
    after = columns_of(base, aim.components)
    assert float(aim.effect(after, after)) == pytest.approx(-0.5)
    assert float(aim.effect(after * 0, after)) == pytest.approx(0.5)
