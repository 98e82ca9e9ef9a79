"""Random projections keep lengths."""

from __future__ import annotations

import numpy as np

from auditor.fingerprint.bits import signs
from auditor.fingerprint.projection import COORDINATES, project
from auditor.seeds import numpy_generator


def test_a_single_value_is_projected_to_itself_up_to_sign() -> None:
    """n = 1: y_i = ±x."""
    assert np.abs(project(np.array([3.0]))).tolist() == [3.0] * COORDINATES


def test_projection_is_the_sum_with_signs() -> None:
    values = np.array([1.0, 10.0, 100.0, 1000.0])
    assert project(values)[5] == values @ signs("projection/5", 4) / 2


def test_the_mean_square_is_estimated() -> None:
    """Each y² has mean 1 and variance about 2, so their mean over 32 coordinates has a standard deviation of 1/4."""
    for seed in range(20):
        values = numpy_generator(seed, "projection").normal(size=500)
        ratio = np.mean(project(values) ** 2) / np.mean(values**2)
        assert 0.2 < ratio < 2.5
