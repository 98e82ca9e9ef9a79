"""Integrals whose value is known: smooth, bent, spiked, and more than the points can do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from auditor.measures.attribution import quadrature
from auditor.measures.attribution.quadrature import Integrals, Path, Samples, integrate


def _path(score: Callable[[Tensor], Tensor], *parts: Callable[[Tensor], Tensor]) -> Path:
    """Every row the same: the score as a function of t, and the parts of its slope."""

    def at(row: Tensor, t: Tensor) -> Samples:
        values = torch.stack([part(t) for part in parts], dim=1)
        return Samples(score(t), values.sum(1), values, values)

    return at


def _found(path: Path, rows: int = 1) -> Integrals:
    return integrate(path, rows, together=7)


def test_a_polynomial_is_exact_at_the_first_points() -> None:
    found = _found(_path(lambda t: t**6 / 6 + t, lambda t: t**5, torch.ones_like))
    np.testing.assert_allclose(found.values, [[1 / 6, 1.0]], rtol=1e-6)
    assert found.points.tolist() == [17]


def test_a_bend_is_halved_until_it_is_small() -> None:
    """Slope 0 up to 0.3, then 1."""
    found = _found(_path(lambda t: (t - 0.3).clamp_min(0), lambda t: (t > 0.3).double()))
    assert found.values[0, 0] == pytest.approx(0.7, abs=quadrature.TOLERANCE)
    assert 17 < found.points[0] < 60


WIDTH = 2e-3


def _spike(t: Tensor) -> Tensor:
    return ((t - 0.37).abs() < WIDTH / 2).double() / WIDTH


def test_a_spike_between_the_points_shows_in_the_score() -> None:
    score = _path(lambda t: ((t - 0.37) / WIDTH + 0.5).clamp(0, 1), _spike)
    found = _found(score)
    assert found.values[0, 0] == pytest.approx(1.0, abs=quadrature.TOLERANCE)


def test_errors_that_cancel_in_the_sum_show_in_the_parts() -> None:
    """Two parts that are steep and opposite at one end: their sum alone is met by any points."""
    steep = 200.0

    def part(t: Tensor) -> Tensor:
        return steep * (-steep * t).exp()

    found = _found(_path(lambda t: t, lambda t: 1 + part(t), lambda t: -part(t)))
    np.testing.assert_allclose(found.values, [[2.0, -1.0]], atol=3 * quadrature.TOLERANCE)


def test_what_does_not_converge_reports_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quadrature, "MOST_POINTS", 17)
    found = _found(_path(lambda t: ((t - 0.37) / WIDTH + 0.5).clamp(0, 1), _spike))
    assert found.error[0] == pytest.approx(1.0)
    assert found.points.tolist() == [17]


def test_a_sequence_is_integrated_at_the_same_points_in_any_batch() -> None:
    def at(row: Tensor, t: Tensor) -> Samples:
        rate = 1.0 + 40.0 * row.double()
        value = (rate * (-rate * t).exp())[:, None]
        return Samples(-(-rate * t).exp(), value.sum(1), value, value)

    both = _found(at, 2)
    alone = integrate(lambda row, t: at(row + 1, t), 1, together=1000)
    assert both.points[0] < both.points[1] == alone.points[0]
    np.testing.assert_allclose(both.values[1:], alone.values, rtol=0, atol=1e-15)
    np.testing.assert_allclose(both.errors[1:], alone.errors, rtol=0, atol=1e-15)


def test_the_error_of_a_value_covers_what_it_is_off() -> None:
    exact = 1 - np.exp(-5.0)
    found = _found(_path(lambda t: -(-5 * t).exp(), lambda t: 5 * (-5 * t).exp()))
    assert 0 < abs(found.values[0, 0] - exact) < abs(found.errors[0, 0])
