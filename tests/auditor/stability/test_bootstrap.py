"""The bootstrap on distributions whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditor.seeds import numpy_generator
from auditor.stability.bootstrap import estimate, resampled_means, resampling_weights, split_half_noise
from auditor.stability.distances import rank_shortfall
from auditor.stability.multiplicity import q_values


def test_weights_are_resamples_of_all_sequences() -> None:
    weights = resampling_weights(7, 500, 0)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(weights * 7, np.round(weights * 7))
    assert weights.mean(axis=0) == pytest.approx(1 / 7, abs=0.02)


def test_weights_are_the_same_for_the_same_seed_and_cannot_be_edited() -> None:
    resampling_weights.cache_clear()
    first = resampling_weights(5, 50, 3).copy()
    resampling_weights.cache_clear()
    np.testing.assert_array_equal(resampling_weights(5, 50, 3), first)
    assert (resampling_weights(5, 50, 4) != first).any()
    with pytest.raises(ValueError, match="read-only"):
        resampling_weights(5, 50, 3)[0] = 0


def test_the_interval_of_a_mean_is_that_of_normal_theory() -> None:
    values = numpy_generator(0, "normal").normal(size=400)
    draws = resampled_means(values[:, None], draws=9_999, seed=0)[:, 0]
    found = estimate(values.mean(), draws, 0.0)
    half = 1.96 * values.std() / 20
    assert found.interval == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)
    assert found.p == pytest.approx(stats.norm.sf(values.mean() / (values.std() / 20)), abs=0.02)


def test_resampling_keeps_every_axis_but_the_first() -> None:
    values = numpy_generator(0, "axes").normal(size=(6, 2, 3))
    means = resampled_means(values, draws=40, seed=1)
    assert means.shape == (40, 2, 3)
    np.testing.assert_allclose(means[:, 1, 2], resampling_weights(6, 40, 1) @ values[:, 1, 2])


def test_p_is_never_zero_nor_above_one() -> None:
    assert estimate(1.0, np.ones(99), 0.0).p == 0.01
    assert estimate(0.0, np.zeros(99), 0.0).p == 1.0


def test_constant_values_have_no_width() -> None:
    draws = resampled_means(np.full((10, 1), 0.3), draws=100, seed=0)[:, 0]
    assert estimate(0.3, draws, 0.1).interval == pytest.approx((0.3, 0.3))


def test_p_values_of_two_equal_heads_are_about_uniform() -> None:
    """Two heads with one mean: "head 0 leads" is overturned at level α in about α of the cases."""
    generator = numpy_generator(1, "null")
    p = []
    for case in range(300):
        values = 1.0 + 0.2 * generator.normal(size=(60, 2))
        draws = rank_shortfall(resampled_means(values, draws=399, seed=case), 0)
        p.append(estimate(0.0, draws, 0.0).p)
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    assert np.mean(np.asarray(p) < 0.05) == pytest.approx(0.05, abs=0.04)


def test_halves_differ_by_the_error_of_their_means() -> None:
    """Means of n/2 normal numbers differ by N(0, 4/n): on average √(2/π) · 2/√n."""
    values = numpy_generator(0, "halves").normal(size=(1_000, 8))
    noise = split_half_noise(values, splits=200, seed=0)
    assert noise.mean() == pytest.approx(np.sqrt(2 / np.pi) * 2 / np.sqrt(1_000), rel=0.1)
    assert split_half_noise(np.full((10, 1), 3.0), splits=5, seed=0).tolist() == [0.0]
    assert np.isnan(split_half_noise(np.ones((1, 2)), splits=5, seed=0)).all()


def test_benjamini_hochberg_by_hand() -> None:
    """Sorted 0.005, 0.01, 0.02, 0.04, 0.9 times 5/rank: 0.025, 0.025, 0.033, 0.05, 0.9."""
    found = q_values([0.02, 0.9, 0.005, 0.04, 0.01])
    assert found == pytest.approx([0.1 / 3, 0.9, 0.025, 0.05, 0.025])
    assert q_values([]) == []
    assert q_values([0.3]) == pytest.approx([0.3])
