"""Balanced factors of a product."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditor.seeds import torch_generator
from auditor.symmetries.gauge_fixing.balance import balanced

ROUNDING = 1e-12
"""Entries of size one through two QR and one SVD in float64."""


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch_generator(seed, "balance", *shape))


def test_a_product_of_scalars_is_shared_evenly() -> None:
    """2 · (−18) = −36 = (−6) · 6: the right factor's largest entry is positive."""
    left, right = balanced(torch.tensor([[2.0]]).double(), torch.tensor([[-18.0]]).double())
    assert left.item() == pytest.approx(-6.0)
    assert right.item() == pytest.approx(6.0)


@pytest.mark.parametrize(("rows", "width", "columns"), [(9, 3, 8), (4, 7, 3), (3, 3, 3), (9, 1, 2), (3, 5, 9)])
def test_the_product_stays_and_both_factors_carry_the_same_singular_values(rows: int, width: int, columns: int) -> None:
    before_left, before_right = random(rows, width), random(width, columns)
    left, right = balanced(before_left, before_right)
    assert (left.shape, right.shape) == (before_left.shape, before_right.shape)
    assert float((left @ right - before_left @ before_right).abs().max()) < ROUNDING
    gram = left.T @ left
    assert float((gram - right @ right.T).abs().max()) < ROUNDING
    assert float((gram - torch.diag(gram.diagonal())).abs().max()) < ROUNDING
    assert gram.diagonal().tolist() == sorted(gram.diagonal().tolist(), reverse=True)


def test_factors_of_one_product_are_balanced_alike() -> None:
    left, right, gauge = random(9, 3), random(3, 8), random(3, 3, seed=1)
    one, other = balanced(left, right), balanced(left @ gauge, torch.linalg.solve(gauge, right))
    for ours, theirs in zip(one, other, strict=True):
        assert float((ours - theirs).abs().max()) < 1e3 * ROUNDING


def test_an_exact_tie_of_opposite_entries_has_one_sign() -> None:
    """(1, −1) and its negative both become (1, −1): the first entry decides."""
    for sign in (1.0, -1.0):
        _, right = balanced(torch.ones(1, 1).double(), sign * torch.tensor([[1.0, -1.0]]).double())
        assert right[0, 0] > 0 > right[0, 1]


def test_a_product_of_zeros_is_zero() -> None:
    left, right = balanced(random(4, 2), torch.zeros(2, 3).double())
    assert not left.any()
    assert not right.any()
