"""Rates, their exact intervals, and the truth they are measured against."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditor.calibration.rates import Case, effect_size, power, rate, rates_by, rates_of
from auditor.calibration.truth import Population
from auditor.records import Claim, Interpretation
from tests.auditor.verdicts.samples import PATTERN, SCALAR, heads, patterns, scores

CASE = Case("ladder", "m", "value", "rung", "stable", -0.1, True, 128, "stable")


def test_zero_of_a_hundred_has_the_rule_of_three_as_its_bound() -> None:
    """Two-sided: 1 − 0.025^(1/100) = 3.62 %."""
    assert rate(0, 100).interval == (0.0, pytest.approx(1 - 0.025**0.01))
    assert rate(0, 0).share is None
    assert rate(0, 0).interval == (0.0, 1.0)


def test_each_verdict_counts_where_it_is_wrong() -> None:
    cases = [
        CASE,
        replace(CASE, verdict="unstable"),
        replace(CASE, truth="unstable", margin=0.2),
        replace(CASE, truth="unstable", margin=0.2, verdict="inconclusive", method="n"),
        replace(CASE, verdict="inconclusive", away=False),
    ]
    found = rates_of(cases)
    assert (found.false_unstable, found.false_stable, found.inconclusive) == (rate(1, 3), rate(1, 2), rate(1, 4))
    assert rates_by(cases, lambda case: case.method)["n"].false_stable == rate(0, 1)
    assert power(cases) == {128: rate(0, 2)}


def test_effect_sizes_are_binned_by_their_distance_from_the_threshold() -> None:
    assert effect_size(replace(CASE, margin=-0.5)) == "−∞ to -0.08"
    assert effect_size(replace(CASE, margin=0.03)) == "+0.02 to +0.05"
    assert effect_size(replace(CASE, source="theorem")) == "by theorem"


@pytest.mark.parametrize(
    ("twin", "truth", "away"),
    [
        ([1.0, 0.5], "stable", True),
        ([1.07, 0.5], "stable", False),
        ([1.09, 0.5], None, False),
        ([1.3, 0.5], "unstable", True),
    ],
)
def test_the_truth_of_a_value_is_its_relative_change_against_a_tenth(
    twin: list[float], truth: str | None, away: bool
) -> None:
    found = Population(SCALAR, _many([1.0, 0.5]), {"rung": _many(twin)}).truth(
        Claim("scores", "value", heads(2)[0], "", {"score": 1.0}), "rung"
    )
    assert found is not None
    assert (found.verdict, found.is_away) == (truth, away)


@pytest.mark.parametrize(
    ("twin", "truth"),
    [([1.0, 0.5], "stable"), ([1.0, 0.99], None), ([0.5, 1.0], "unstable"), ([0.95, 1.0], "unstable")],
)
def test_the_truth_of_a_rank_is_the_leading_component(twin: list[float], truth: str | None) -> None:
    claim = Claim("scores", "rank", heads(2)[0], "", {"top": 1})
    found = Population(SCALAR, _many([1.0, 0.5]), {"rung": _many(twin)}).truth(claim, "rung")
    assert found is not None
    assert found.verdict == truth
    assert Population(SCALAR, _many([1.0, 0.995]), {"rung": _many(twin)}).truth(claim, "rung") is None


def test_the_truth_of_a_pattern_is_its_mean_total_variation() -> None:
    diagonal = np.broadcast_to(np.eye(3), (4, 1, 3, 3))
    moved = 0.7 * diagonal + 0.3 * np.roll(diagonal, 1, axis=-1)
    population = Population(PATTERN, patterns(diagonal), {"rung": patterns(moved)})
    found = population.truth(Claim("pattern", "pattern", heads(1)[0], ""), "rung")
    assert found is not None
    assert found.margin == pytest.approx(0.2)


def _many(means: list[float]) -> Interpretation:
    return scores(np.tile(means, (5, 1)))
