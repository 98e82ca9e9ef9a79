"""CKA and Procrustes against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.verdicts.distances import pattern_distance

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 1, 5, 4))
X -= X.mean((0, 2), keepdims=True)
NOISY = X + 0.7 * RNG.normal(size=X.shape)
NOISY -= NOISY.mean((0, 2), keepdims=True)


def _distance(name: str, ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(pattern_distance(name, ours, theirs).mean[0])


@pytest.mark.parametrize("name", ["cka", "procrustes"])
def test_rotations_and_scales_do_not_matter(name: str) -> None:
    rotation = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
    assert _distance(name, X, 3.0 * X @ rotation) == pytest.approx(0.0, abs=1e-14)
    assert _distance(name, X, X * [1.0, 1.0, 1.0, 3.0]) > 0.05


def test_cka_is_the_ratio_of_frobenius_norms() -> None:
    x, y = (a.reshape(30, 4) for a in (X, NOISY))
    norms = [np.linalg.norm(a.T @ b) for a, b in ((x, y), (x, x), (y, y))]
    assert _distance("cka", X, NOISY) == pytest.approx(1 - norms[0] ** 2 / (norms[1] * norms[2]), abs=1e-14)


def test_procrustes_is_the_nuclear_norm() -> None:
    x, y = (a.reshape(30, 4) / np.linalg.norm(a) for a in (X, NOISY))
    assert _distance("procrustes", X, NOISY) == pytest.approx(1 - np.linalg.norm(x.T @ y, "nuc"), abs=1e-14)


@pytest.mark.parametrize("name", ["cka", "procrustes"])
def test_orthogonal_tokens_have_nothing_in_common_and_padding_does_not_count(name: str) -> None:
    """Two tokens that vary, in one model the first pair of positions, in the other the second: XᵀY = 0."""
    ours, theirs = np.zeros((2, 1, 1, 4, 2))
    ours[0, 0, :2, 0] = 1.0, -1.0
    theirs[0, 0, 2:, 1] = 1.0, -1.0
    assert _distance(name, ours, theirs) == pytest.approx(1.0)
    longer = [np.pad(a, ((0, 0), (0, 0), (0, 3), (0, 0))) for a in (X, NOISY)]
    assert _distance(name, *longer) == pytest.approx(_distance(name, X, NOISY), abs=1e-14)
    assert _distance(name, X, np.zeros_like(X)) == 1.0
    assert _distance(name, np.zeros_like(X), np.zeros_like(X)) == 0.0
