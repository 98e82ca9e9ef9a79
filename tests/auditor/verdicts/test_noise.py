"""The floor under a disagreement."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.records import Claim
from auditor.seeds import numpy_generator
from auditor.verdicts.noise import NoiseFloor, split_half_noise
from auditor.verdicts.pairing import Pairing
from tests.auditor.verdicts.samples import heads, noisy, patterns, scores


def test_halves_differ_by_the_error_of_their_means() -> None:
    """Means of n/2 normal numbers differ by N(0, 4/n): on average √(2/π) · 2/√n."""
    values = numpy_generator(0, "halves").normal(size=(1_000, 8))
    noise = split_half_noise(values, splits=200, seed=0)
    assert noise.mean() == pytest.approx(np.sqrt(2 / np.pi) * 2 / np.sqrt(1_000), rel=0.1)
    assert split_half_noise(np.full((10, 1), 0.7), splits=5, seed=0).tolist() == [0.0]
    assert np.isnan(split_half_noise(np.ones((1, 2)), splits=5, seed=0)).all()


def test_a_second_run_is_noise_where_it_moves_more_than_halves_do() -> None:
    """Scores 2 and 1 become 2 and 1.5 by chance alone: a relative change of nothing and of a half."""
    base = np.full((20, 2), [2.0, 1.0])
    itself = Pairing(scores(base), scores(base), "relative_change")
    again = Pairing(scores(base), scores(base + np.asarray([0.0, 0.5])), "relative_change")
    floor = NoiseFloor.of(itself, again, np.arange(20), seed=0)
    claims = [Claim("scores", "value", component, "") for component in heads(2)]
    assert [floor.under(claim) for claim in claims] == [0.0, 0.5]
    assert floor.under(Claim("scores", "rank", heads(2)[0], "", {"top": 1})) is None
    assert NoiseFloor.of(itself, None, np.arange(20), seed=0).under(claims[1]) == 0.0


def test_halves_count_relative_to_the_score() -> None:
    itself = Pairing(scores(noisy([2.0, 1.0])), scores(noisy([2.0, 1.0])), "relative_change")
    floor = NoiseFloor.of(itself, None, np.arange(100), seed=0)
    halves = split_half_noise(noisy([2.0, 1.0]), seed=0)
    found = [floor.under(Claim("scores", "value", component, "")) for component in heads(2)]
    assert found == pytest.approx((halves / noisy([2.0, 1.0]).mean(axis=0)).tolist())


def test_patterns_of_one_run_have_no_noise_of_their_own() -> None:
    """The distance of two patterns is a number per sequence, which halves do not move apart."""
    given = patterns(numpy_generator(0, "rows").dirichlet(np.ones(3), size=(5, 1, 3)))
    claim = Claim("pattern", "pattern", heads(1)[0], "")
    itself = Pairing(given, given, "total_variation")
    assert NoiseFloor.of(itself, None, np.arange(5), seed=0).under(claim) == 0.0
