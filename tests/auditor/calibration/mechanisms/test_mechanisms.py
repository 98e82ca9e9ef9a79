"""Models of known mechanism: decorations change nothing, claims hold, and twins at given divergences overturn them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from auditor.behaviour.input_batch import draw_inputs
from auditor.calibration.mechanisms import run
from auditor.calibration.mechanisms.attack import attacks, pools_of
from auditor.calibration.mechanisms.levels import divergence, largest_shares, log_probabilities, noise, towards
from auditor.calibration.mechanisms.planted import MECHANISMS, STANDINGS, balanced, mechanisms
from auditor.calibration.mechanisms.plot import drawn
from auditor.calibration.mechanisms.results import Experiment, Point
from auditor.canonical.sites import Site
from auditor.contracts import Request, methods
from auditor.seeds import numpy_generator
from auditor.twins import distillation_data, ladder
from auditor.verdicts.verdict import Settings
from auditor.zoo.construction import constructed_model

SETTINGS = Settings(draws=1_999, alpha=0.05, seed=0)
NAME = next(iter(MECHANISMS))


@pytest.mark.parametrize("name", MECHANISMS)
def test_decorations_leave_the_function_as_it_is(name: str) -> None:
    (mechanism,) = mechanisms([name])
    model = mechanism.model.double()
    plain = constructed_model(model.task, 34, sharpness=12.0, forbidden=-12.0).double()
    inputs = draw_inputs(model.task, 20, numpy_generator(0, "test"))
    torch.testing.assert_close(model(inputs.tokens), plain(inputs.tokens), rtol=0, atol=1e-4)


def test_balancing_leaves_the_function_as_it_is() -> None:
    (mechanism,) = mechanisms([NAME])
    model = mechanism.model.double()
    inputs = draw_inputs(model.task, 10, numpy_generator(0, "test"))
    torch.testing.assert_close(balanced(model)(inputs.tokens), model(inputs.tokens), rtol=0, atol=1e-9)


def test_false_claims_are_about_heads_that_the_function_does_not_need() -> None:
    for mechanism in mechanisms([NAME, [*MECHANISMS][1]]):
        model = mechanism.model.double()
        inputs = draw_inputs(model.task, 10, numpy_generator(0, "test"))
        layer = next(one.claim.component.layer for one in mechanism.claims if one.standing == "false")

        def without_decorations(site: Site, at: int, value: torch.Tensor, layer: int = layer) -> torch.Tensor:
            if site is not Site.Z or at != layer:
                return value
            return torch.cat([value[:, :, :1], torch.zeros_like(value[:, :, 1:])], dim=2)

        torch.testing.assert_close(model(inputs.tokens, without_decorations), model(inputs.tokens), rtol=0, atol=1e-9)


def test_a_path_is_followed_up_to_the_divergence_asked_for() -> None:
    (mechanism,) = mechanisms([NAME])
    model = mechanism.model.double()
    inputs = draw_inputs(model.task, 30, numpy_generator(0, "test"))
    log_p = log_probabilities(model, inputs)
    path = noise(model, numpy_generator(0, "noise"))
    levels = (1e-5, 1e-3)
    shares = largest_shares(log_p, path, levels, inputs)
    assert shares[0] < shares[1] < 1
    for share, level in zip(shares, levels, strict=True):
        assert 0.8 * level < divergence(log_p, path(share), inputs) <= level
    assert largest_shares(log_p, towards(model, model), levels, inputs) == (1.0, 1.0)


@pytest.mark.slow
def test_an_attack_on_an_unread_head_moves_it_at_little_cost() -> None:
    (mechanism,) = mechanisms([NAME])
    sink = next(one for one in mechanism.claims if one.claim.text == "L1H1 is START sink")
    pools = pools_of(mechanism.model, numpy_generator(0, "pools"))
    _, wide = attacks(
        mechanism.model,
        sink,
        pools,
        steps=200,
        generator=numpy_generator(0, "test"),
        progress=lambda _share, _words: None,
    )
    inputs = draw_inputs(mechanism.model.task, 30, numpy_generator(1, "test"))
    assert divergence(log_probabilities(mechanism.model, inputs), wide, inputs) < 1e-2
    request = Request(wide.double(), inputs, numpy_generator(0, "test"))
    assert methods()["attention_start_mass"].interpret(request).values.mean(0)[2] < 0.5


@pytest.mark.slow
def test_the_experiment_has_the_known_answers_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    (mechanism,) = mechanisms([NAME])
    few = tuple(one for one in mechanism.claims if one.claim.method == "attention_stack_top")
    monkeypatch.setattr(run, "MECHANISMS", {NAME: lambda _name: replace(mechanism, claims=few)})
    monkeypatch.setattr(run, "NOISES", 1)
    for module, name, count in (
        (run, "CERTIFIED_ON", 100),
        (run, "LONGER_SEQUENCES", 100),
        (distillation_data, "SEQUENCES", 100),
        (distillation_data, "LONG_SEQUENCES", 50),
        (ladder, "SEARCH", 100),
        (ladder, "LONGER_SEARCH", 100),
    ):
        monkeypatch.setattr(module, name, count)
    found = run.experiment(SETTINGS, steps=1, levels=(0.0, 1e9), sequences=100, names=[NAME])
    share = {(rate.twin, rate.domain, rate.standing, rate.level): rate.share for rate in found.rates}
    for domain in (run.IN_DISTRIBUTION, run.BEYOND):
        for standing in STANDINGS:
            assert share["noise", domain, standing, 0.0] == 0.0  # at no divergence nothing falls
            assert share["int8", domain, standing, None] == 0.0
        assert share["noise", domain, "false", 1e9] > 0.5  # without a function nothing is left
        assert share["random weights", domain, "forced", None] > 0.5
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["schema"] == "dyck-audit/mechanisms/1"


def test_rates_keep_uncertified_twins_and_count_models_alike() -> None:
    def point(model: str, verdict: str, certified: int) -> Point:
        return Point(model, "c", "false", "noise", "longer", 1e-3, 1e-3, certified, 1, verdict)

    points = (point("a", "unstable", 1), point("a", "unstable", 0), point("a", "stable", 1), point("b", "stable", 0))
    (rate,) = Experiment(points, {}, 0.0).rates
    assert (rate.unstable, rate.claims, rate.certified) == (2, 4, 0.5)
    assert rate.share == pytest.approx(1 / 3)
    assert rate.by_model == {"a": pytest.approx(2 / 3), "b": 0.0}
    assert drawn(Experiment(points, {}, 0.0)) == drawn(Experiment(points, {}, 0.0))
