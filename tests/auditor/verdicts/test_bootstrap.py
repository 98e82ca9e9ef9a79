"""The bootstrap on distributions whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditor.seeds import numpy_generator
from auditor.verdicts.bootstrap import in_blocks, resampled_means, resampling_weights, standard_errors, studentised


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


def test_resampling_keeps_every_axis_but_the_first() -> None:
    values = numpy_generator(0, "axes").normal(size=(6, 2, 3))
    means = resampled_means(values, draws=40, seed=1)
    assert means.shape == (40, 2, 3)
    np.testing.assert_allclose(means[:, 1, 2], resampling_weights(6, 40, 1) @ values[:, 1, 2])


def test_t_of_the_resamples_is_that_of_normal_theory() -> None:
    """Of normal numbers the studentised mean follows Student's t, here with 19 degrees of freedom."""
    values = numpy_generator(0, "normal").normal(size=(20, 1))
    parts = values - values.mean()
    shifts, t = studentised(parts, draws=9_999, seed=0)
    assert shifts.std() == pytest.approx(float(standard_errors(parts)[0]), rel=0.03)
    assert np.quantile(t, (0.025, 0.975)) == pytest.approx(stats.t.ppf((0.025, 0.975), 19), abs=0.35)


def test_a_resample_that_misses_the_one_sequence_that_differs_keeps_a_finite_t() -> None:
    """It is absent from (1 − 1/n)ⁿ of the resamples: there t = −(1/n) / (0.1 · √((n − 1)/n³)) = −10 · √(n/(n − 1))."""
    parts = np.zeros((50, 1))
    parts[0] = 1.0
    parts -= parts.mean()
    _, t = studentised(parts, draws=2_000, seed=0)
    assert np.isfinite(t).all()
    assert (np.round(t, 6) == np.round(t.min(), 6)).mean() == pytest.approx((1 - 1 / 50) ** 50, abs=0.04)
    assert t.min() == pytest.approx(-10 * np.sqrt(50 / 49))


def test_what_does_not_differ_has_no_spread() -> None:
    shifts, t = studentised(np.zeros((10, 2)), draws=100, seed=0)
    assert not shifts.any()
    assert not t.any()


def test_columns_are_resampled_together_however_they_are_cut() -> None:
    parts = numpy_generator(0, "columns").normal(size=(12, 700))
    parts -= parts.mean(axis=0)
    together = studentised(parts, draws=30, seed=2)
    sets = np.split(parts, [3, 300, 301], axis=1)
    for place, whole in enumerate(together):
        apart = np.concatenate([found[place] for found in in_blocks(sets, draws=30, seed=2)], axis=1)
        np.testing.assert_allclose(apart, whole, atol=1e-12)
