"""Targets of attacks: known effects of claims by several methods, and how clear an effect must be."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.canonical.model import CanonicalTransformer
from auditor.errors import PlanError
from auditor.gate.statements import claim_of, component_named
from auditor.records import Claim, Component, Interpretation
from auditor.twins.targets.target import LEAST, RESOLVED, Target, methods_against, overturned_from, targets_of
from tests.handmade import PLAIN, random_model

MEAN, ZERO = "ablation_head_mean", "ablation_head_zero"


def _model() -> CanonicalTransformer:
    return random_model(PLAIN)


def _scores(method: str, *rows: list[float]) -> Interpretation:
    heads = tuple(Component(layer, head=head) for layer in (0, 1) for head in (0, 1))
    return Interpretation(method, ("sequence", "head"), heads, np.asarray(rows))


def _bases(mean: list[float], zero: list[float]) -> dict[str, Interpretation]:
    return {MEAN: _scores(MEAN, mean), ZERO: _scores(ZERO, zero)}


def _claim(component: str, statement: str) -> Claim:
    return claim_of(component_named(component), f"{statement} by {MEAN} and by {ZERO}", None)


def _effect(target: Target, mean: list[float], zero: list[float]) -> float:
    found = target.read(_bases(mean, zero), _bases(mean, zero))
    assert found is not None
    return found[0]


AGREED = [1.0, 0.5, 0.2, 0.1]


@pytest.mark.parametrize(
    ("mean", "zero", "effect"),
    [
        (AGREED, AGREED, -0.3),  # the third is .3 behind the second
        (AGREED, [0.5, 1.0, 0.2, 0.1], -0.3),  # the order within the two does not count
        (AGREED, [1.0, 0.4, 0.45, 0.1], 0.05),  # {0, 1} fails by .05 in the second, {0, 2} by .3 in the first
        (AGREED, [0.1, 0.2, 0.5, 1.0], 0.4),  # {0, 3} fails by .4 in both, every other set by more in one
    ],
)
def test_methods_agree_less_the_further_the_nearest_set_is_from_leading_both(
    mean: list[float], zero: list[float], effect: float
) -> None:
    (target,) = targets_of(_claim("all heads", "agree on the top 2"), _model(), _bases(AGREED, AGREED))
    assert _effect(target, mean, zero) == pytest.approx(effect)


def test_some_head_by_two_methods_falls_when_each_head_fails_by_one_of_them() -> None:
    claim = _claim("some head", ">= 0.4")
    (target,) = targets_of(claim, _model(), _bases([1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]))
    assert _effect(target, [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]) == pytest.approx(0.4)
    assert _effect(target, [1.0, 0.0, 0.0, 0.0], [0.5, 1.0, 0.0, 0.0]) == pytest.approx(-0.1)


def test_each_part_of_a_conjunction_is_a_target_the_nearest_to_falling_first() -> None:
    bases = _bases([1.0, 0.2, 0.1, 0.0], [1.0, 0.9, 0.1, 0.0])
    found = targets_of(_claim("L0H0", "top-1"), _model(), bases)
    assert [one.name for one in found] == [ZERO, MEAN]
    twin = ([1.0, 0.2, 0.1, 0.0], [0.8, 1.0, 0.1, 0.0])
    assert [_effect(one, *twin) for one in found] == pytest.approx([0.2, -0.8])


def test_a_conjunction_is_attacked_by_those_of_its_methods_that_can_be() -> None:
    refused = "faithfulness_infidelity"
    claim = claim_of(component_named("L0H0"), f"top-1 by {refused} and by {MEAN}", None)
    assert methods_against(claim, _model()) == (MEAN,)
    alone = claim_of(component_named("L0H0"), "top-1", refused)
    with pytest.raises(PlanError, match="no twin can be trained against"):
        methods_against(alone, _model())
    some = claim_of(component_named("some head"), f">= 0.1 by {refused} and by {MEAN}", None)
    with pytest.raises(PlanError, match="no twin can be trained against"):
        methods_against(some, _model())


def test_a_value_may_fall_or_rise_in_the_unit_of_its_verdict() -> None:
    """A head that scores less than half of the largest is measured against that half."""
    claim = Claim(MEAN, "value", Component(1, head=1), "c", {"score": 0.1})
    found = targets_of(claim, _model(), _bases(AGREED, AGREED))
    assert [one.name for one in found] == ["falling", "rising"]
    assert [_effect(one, [1.0, 0.5, 0.2, 0.4], AGREED) for one in found] == pytest.approx([-0.6, 0.6])


def test_an_effect_is_enough_that_its_standard_error_resolves() -> None:
    claim = claim_of(component_named("L0H0"), ">= 0.5", MEAN)
    generator = np.random.default_rng(0)
    rows = np.full((128, 4), 0.4) + generator.normal(scale=0.2, size=(128, 4))
    base, twin = {MEAN: _scores(MEAN, AGREED)}, {MEAN: _scores(MEAN, *rows.tolist())}
    (target,) = targets_of(claim, _model(), base)
    read = target.read(twin, twin)
    assert read is not None
    effect, error = read
    assert effect == pytest.approx(0.5 - rows[:, 0].mean())  # over 1.0, the score of the original
    assert error == pytest.approx(rows[:, 0].std() / np.sqrt(128), rel=0.5)
    assert overturned_from(target, error) == pytest.approx(RESOLVED * error)
    assert overturned_from(target, 0.0) == LEAST


def test_sets_that_are_too_many_are_refused() -> None:
    heads = tuple(Component(0, head=index) for index in range(40))
    bases = {name: Interpretation(name, ("sequence", "head"), heads, np.ones((1, 40))) for name in (MEAN, ZERO)}
    with pytest.raises(PlanError, match="sets of 8 among 40 are too many"):
        targets_of(_claim("all heads", "agree on the top 8"), _model(), bases)
