"""Distances worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.verdicts.distances import SCALE_FLOOR, pattern_variation, rank_shortfall, relative_change


def test_relative_change_is_relative_to_the_original() -> None:
    change = relative_change(np.asarray([2.0, -4.0]), np.asarray([3.0, -3.0]))
    assert change.tolist() == [0.5, 0.25]


def test_a_component_that_scores_nothing_is_measured_against_the_largest() -> None:
    change = relative_change(np.asarray([0.0, 10.0]), np.asarray([0.05, 10.0]))
    assert change.tolist() == pytest.approx([0.05 / (SCALE_FLOOR * 10), 0.0])


def test_all_zero_scores_are_measured_in_their_own_unit() -> None:
    assert relative_change(np.zeros(2), np.asarray([0.0, 0.3])).tolist() == [0.0, 0.3]


def test_each_draw_has_its_own_scale() -> None:
    change = relative_change(np.asarray([[1.0, 2.0], [10.0, 20.0]]), np.asarray([[2.0, 2.0], [11.0, 20.0]]))
    np.testing.assert_allclose(change, [[1.0, 0.0], [0.1, 0.0]])


@pytest.mark.parametrize(
    ("given", "index", "expected"),
    [
        ([3.0, 1.0], 0, -2 / 3),
        ([3.0, 1.0], 1, 2 / 3),
        ([2.0, 2.0], 0, 0.0),
        ([0.0, 0.0], 0, 0.0),
        ([-1.0, -4.0], 0, -0.75),
    ],
)
def test_a_rank_falls_short_by_the_lead_of_the_next(given: list[float], index: int, expected: float) -> None:
    assert float(rank_shortfall(np.asarray(given), index)) == pytest.approx(expected)


def test_total_variation_of_attention_rows() -> None:
    """Rows: the first has no choice, (1,0)→(.5,.5) moves ½, (.2,.3,.5)→(.5,.3,.2) moves 0.3; the last is padding."""
    base, other = np.zeros((1, 1, 4, 4)), np.zeros((1, 1, 4, 4))
    base[0, 0, 0, 0] = other[0, 0, 0, 0] = 1.0
    base[0, 0, 1, :2], other[0, 0, 1, :2] = (1.0, 0.0), (0.5, 0.5)
    base[0, 0, 2, :3], other[0, 0, 2, :3] = (0.2, 0.3, 0.5), (0.5, 0.3, 0.2)
    found = pattern_variation(base, other)
    assert found.rows.tolist() == [2.0]
    assert found.total[0].tolist() == pytest.approx([0.8])
    assert found.mean.tolist() == pytest.approx([0.4])


def test_disjoint_attention_is_as_far_as_it_gets() -> None:
    base = np.zeros((2, 1, 3, 3))
    other = base.copy()
    base[..., 0], other[..., 1] = 1.0, 1.0
    assert pattern_variation(base, other).mean.tolist() == [1.0]
    assert pattern_variation(base, base).mean.tolist() == [0.0]
