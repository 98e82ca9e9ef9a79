"""Numbers on random models against the same quantities written out: no Captum, no shared games."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Request, TransformRequest, equivalences, methods
from auditor.interpretations.attribution_token_occlusion import WINDOW
from auditor.measures.attribution import infidelity, quadrature
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES
from tests.auditor.interpretations.closing_score import closing_score, masked
from tests.handmade import PLAIN, TASK, inputs_for, inputs_from, random_model

pytestmark = pytest.mark.slow

SAME = 1e-9
STEPS = 256
QUADRATURE = 1e-4
"""On smooth paths, at a tolerance as small."""

SHORT = ["([])", "[()]", "()[]", "[[]]"]
"""Five input tokens: few enough for all subsets and all orders."""

PLACES = frozenset(range(5))

Value = Callable[[frozenset[int]], Tensor]


def _interpret(name: str, model: CanonicalTransformer, inputs: InputBatch) -> np.ndarray:
    return methods()[name].interpret(Request(model, inputs, numpy_generator(0, "scratch"))).values


def _from_vectors(model: CanonicalTransformer, vectors: Tensor, inputs: InputBatch, **edit: object) -> Tensor:
    def hook(site: Site, layer: int, value: Tensor) -> Tensor:
        return edit["value"] if site is edit.get("site") and layer == edit["layer"] else value

    x = model.input_vectors(vectors)
    return closing_score(model.run_from(x, inputs.tokens, 0, hook), inputs)


def _path_gradient(model: CanonicalTransformer, inputs: InputBatch, start: Tensor, end: Tensor) -> Tensor:
    """Gauss–Legendre on panels that halve towards the start, where a path from zero is steep."""
    nodes, weights = np.polynomial.legendre.leggauss(10)
    edges = [0.0, *(2.0 ** np.arange(-12, 1))] if not torch.equal(start, end) else [0.0, 1.0]
    total = torch.zeros_like(end)
    for low, high in pairwise(edges):
        for node, weight in zip(nodes, weights, strict=True):
            share = low + (1 + node) / 2 * (high - low)
            point = (start + share * (end - start)).detach().requires_grad_()
            gradient = torch.autograd.grad(_from_vectors(model, point, inputs).sum(), point)[0]
            total += (high - low) * weight / 2 * gradient
    return total


@pytest.mark.parametrize("family", ["plain", "one head, no norm, learned positions"])
def test_gradients_in_the_token_vectors(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quadrature, "TOLERANCE", 1e-5)
    model = random_model(replace(FAMILIES[family], activation="gelu_erf"))
    inputs = inputs_for(model, 5)
    end = model.W_E[inputs.tokens].detach()
    mask = model.W_E[masked(inputs.tokens)].detach()
    gradient = _path_gradient(model, inputs, end, end)
    zero = torch.where(inputs.not_padding[:, :, None], 0.0, end)
    expected = {
        "attribution_token_saliency": (gradient.norm(dim=-1), SAME),
        "attribution_token_input_x_gradient": ((end * gradient).sum(-1), SAME),
        "attribution_token_integrated_gradients": (
            ((end - mask) * _path_gradient(model, inputs, mask, end)).sum(-1),
            QUADRATURE,
        ),
        "attribution_token_integrated_gradients_zero": (
            (end * _path_gradient(model, inputs, zero, end)).sum(-1),
            QUADRATURE,
        ),
    }
    for name, (values, tolerance) in expected.items():
        found = _interpret(name, model, inputs)[:, 0]
        np.testing.assert_allclose(found, values * inputs.not_padding, rtol=0, atol=tolerance, err_msg=name)
        assert np.abs(found).max() > 1e-3


def _token_game(model: CanonicalTransformer, inputs: InputBatch) -> Value:
    def value(present: frozenset[int]) -> Tensor:
        tokens = inputs.tokens.clone()
        for position in PLACES - present:
            tokens[:, position] = masked(tokens[:, position])
        return closing_score(model(tokens), inputs)

    return value


@torch.no_grad()
@pytest.mark.slow
def test_removing_tokens_is_reading_mask() -> None:
    """Ablation, occlusion and exact Shapley values, by writing MASK over tokens of the input."""
    model, inputs = random_model(), inputs_from(TASK, SHORT)
    value = _token_game(model, inputs)
    windows = [{*range(first, first + WINDOW)} for first in range(1 - WINDOW, len(PLACES))]
    for position in PLACES:
        lone = value(PLACES) - value(PLACES - {position})
        hidden = [value(PLACES) - value(PLACES - window) for window in windows if position in window]
        columns = {
            "attribution_token_feature_ablation": lone,
            "attribution_token_occlusion": torch.stack(hidden).mean(0),
            "attribution_token_shapley_sampling": _shapley(value, len(PLACES), position),
        }
        for name, expected in columns.items():
            found = _interpret(name, model, inputs)[:, 0, position]
            np.testing.assert_allclose(found, expected, rtol=0, atol=SAME, err_msg=name)


@torch.no_grad()
def test_removing_heads_is_writing_their_mean() -> None:
    """Ablation and exact Shapley values over the four heads of a random model."""
    model = random_model()
    inputs = inputs_for(model, 5)
    value = _head_game(model, inputs)
    ablation, shapley = (
        _interpret(f"attribution_head_{kind}", model, inputs) for kind in ("feature_ablation", "shapley")
    )
    for head in range(4):
        lone = value(frozenset(range(4))) - value(frozenset(range(4)) - {head})
        np.testing.assert_allclose(ablation[:, head], lone, rtol=0, atol=SAME)
        np.testing.assert_allclose(shapley[:, head], _shapley(value, 4, head), rtol=0, atol=SAME)
    rise = value(frozenset(range(4))) - value(frozenset())
    np.testing.assert_allclose(shapley.sum(1), rise, rtol=0, atol=SAME)
    assert rise.abs().max() > 1e-2


def _head_game(model: CanonicalTransformer, inputs: InputBatch) -> Value:
    _, cache = run_with_cache(model, inputs.tokens, sites=(Site.Z,))
    means = [cache[Site.Z, layer][inputs.not_padding].mean(0) for layer in range(2)]

    def value(present: frozenset[int]) -> Tensor:
        def hook(site: Site, layer: int, z: Tensor) -> Tensor:
            if site is not Site.Z:
                return z
            z = z.clone()
            for head in range(2):
                if 2 * layer + head not in present:
                    z[:, :, head] = means[layer][head]
            return z

        return closing_score(model(inputs.tokens, hook), inputs)

    return value


def _shapley(value: Value, players: int, player: int) -> Tensor:
    """Σ over subsets S without the player of |S|! (n − |S| − 1)! / n! · (v(S ∪ {player}) − v(S)) (Shapley 1953)."""
    others = [other for other in range(players) if other != player]
    total = torch.zeros(())
    for size in range(players):
        weight = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
        for chosen in combinations(others, size):
            present = frozenset(chosen)
            total = total + weight * (value(present | {player}) - value(present))
    return total


def test_many_heads_are_sampled_alike_under_any_numbering() -> None:
    """Of ten heads 24 orders are drawn: the same ones after a permutation of the heads."""
    family = FAMILIES["plain"]
    block = family.blocks[0].__class__(heads=5, query_width=3, value_width=2, neurons=6)
    model = random_model(family.__class__(**{**_fields(family), "blocks": (block, block)}))
    inputs = inputs_for(model, 4)
    made = equivalences()["exact_head_permutation"].transform(
        TransformRequest(model, inputs, numpy_generator(0, "permute"), parameters={})
    )
    old_of_new = [old for (old,) in made.relabelling.moves["head"]]
    assert old_of_new != list(range(10))
    ours, theirs = (_interpret("attribution_head_shapley", m, inputs) for m in (model, made.model))
    np.testing.assert_allclose(theirs, ours[:, old_of_new], rtol=0, atol=SAME)


def _fields(family: object) -> dict[str, object]:
    return {name: getattr(family, name) for name in family.__dataclass_fields__}  # type: ignore[attr-defined]


def test_gradient_x_activation_is_the_slope_of_scaling_the_head() -> None:
    """d/ds of the score with s·z in the place of z, at s = 1, by central differences."""
    model = random_model()
    inputs = inputs_for(model, 5)
    found = _interpret("attribution_head_gradient_x_activation", model, inputs)
    for index, head in enumerate(model.architecture.heads):

        @torch.no_grad()
        def scaled(scale: float, layer: int = head.layer, head: int = head.head or 0) -> Tensor:
            def hook(site: Site, at: int, z: Tensor) -> Tensor:
                if site is not Site.Z or at != layer:
                    return z
                z = z.clone()
                z[:, :, head] *= scale
                return z

            return closing_score(model(inputs.tokens, hook), inputs)

        slope = (scaled(1 + 1e-5) - scaled(1 - 1e-5)) / 2e-5
        np.testing.assert_allclose(found[:, index], slope, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["conductance", "internal_influence"])
def test_neurons_along_the_path_of_the_input(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """∂score/∂a in each neuron by putting the activations in as leaves; da as the difference between two points."""
    monkeypatch.setattr(quadrature, "TOLERANCE", 1e-4)
    model = random_model(replace(PLAIN, activation="gelu_erf"))
    inputs = inputs_for(model, 3)
    end, start = (model.W_E[tokens].detach() for tokens in (inputs.tokens, masked(inputs.tokens)))
    columns = []
    for layer in range(2):
        slopes, activations = [], []
        for share in np.linspace(0, 1, STEPS + 1):
            slope, activation = _neuron(model, inputs, layer, start + share * (end - start))
            slopes.append(slope)
            activations.append(activation)
        mean = [(before + after) / 2 for before, after in pairwise(slopes)]
        rise = [after - before for before, after in pairwise(activations)]
        steps = rise if name == "conductance" else [1 / (STEPS)] * (STEPS)
        columns.append(sum(slope * step for slope, step in zip(mean, steps, strict=True)).sum(1))
    found = _interpret(f"attribution_neuron_{name}", model, inputs)
    np.testing.assert_allclose(found, torch.cat(columns, dim=1), rtol=0, atol=QUADRATURE)
    assert np.abs(found).max() > 1e-3


def _neuron(model: CanonicalTransformer, inputs: InputBatch, layer: int, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """∂score/∂a and a of the neurons of a layer."""
    seen: dict[int, Tensor] = {}

    def keep(site: Site, at: int, value: Tensor) -> Tensor:
        if site is Site.NEURON:
            seen[at] = value
        return value

    model.run_from(model.input_vectors(vectors), inputs.tokens, 0, keep)
    leaf = seen[layer].detach().requires_grad_()
    score = _from_vectors(model, vectors, inputs, site=Site.NEURON, layer=layer, value=leaf).sum()
    return torch.autograd.grad(score, leaf)[0], leaf.detach()


SETS = np.array([[(n >> bit) & 1 for bit in range(5)] for n in range(32)], dtype=np.float64)
"""All subsets of five tokens; of four heads, each twice."""


def _subsets(order: np.ndarray, *_: object) -> np.ndarray:
    """The same sets for any numbering; of neurons, which are many, none."""
    return np.pad(SETS[:, : len(order)], ((0, 0), (0, max(0, len(order) - 5))))


def test_infidelity_over_all_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    """min over β of mean over sets (β Σ φ − fall)², which is mean fall² − (mean fall·Σφ)² / mean (Σφ)²."""
    monkeypatch.setattr(infidelity, "DRAWS", len(SETS))
    monkeypatch.setattr(infidelity, "removals", _subsets)
    model, inputs = random_model(), inputs_from(TASK, SHORT)
    found = methods()["faithfulness_infidelity"].interpret(Request(model, inputs, numpy_generator(0, "scratch")))
    by_name = {part.label: found.values[:, index] for index, part in enumerate(found.components)}
    games = {5: _token_game(model, inputs), 4: _head_game(model, inputs)}
    for name in (
        "attribution_token_saliency",
        "attribution_token_feature_ablation",
        "attribution_head_shapley",
        "attribution_head_integrated_gradients",
    ):
        given = _interpret(name, model, inputs).reshape(len(inputs), -1)
        players = given.shape[1]
        whole, fall, forecast = games[players](frozenset(range(players))), [], []
        for chosen in SETS[:, :players]:
            gone = frozenset(np.flatnonzero(chosen).tolist())
            fall.append((whole - games[players](frozenset(range(players)) - gone)).detach().numpy())
            forecast.append(given @ chosen)
        falls, forecasts = np.array(fall), np.array(forecast)
        expected = (falls**2).mean(0) - (falls * forecasts).mean(0) ** 2 / (forecasts**2).mean(0)
        np.testing.assert_allclose(by_name[name], expected, rtol=0, atol=SAME, err_msg=name)
        assert expected.max() > 1e-4
