"""Random changes of basis, and those that commute with rotary positions."""

from __future__ import annotations

import pytest
import torch

from auditor.canonical.architecture import RotaryPairs
from auditor.canonical.rotary import Rotary
from auditor.seeds import numpy_generator
from auditor.symmetries.gauges import Gauge, random_commuting, random_invertible

LENGTH = 7
ROUNDING = 1e-12


def _apart(rotary: Rotary, gauge: Gauge, width: int) -> float:
    """How far the order of turning and of the change of basis matters, over all positions."""
    x = torch.randn(LENGTH, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return float((rotary.turned(x @ gauge.matrix) - rotary.turned(x) @ gauge.matrix).abs().max())


@pytest.mark.parametrize("pairs", ["halves", "adjacent"])
@pytest.mark.parametrize(("turned", "width"), [(2, 2), (4, 4), (4, 7)])
def test_a_commuting_basis_commutes_with_every_turn_and_a_general_one_does_not(
    pairs: RotaryPairs, turned: int, width: int
) -> None:
    rotary, generator = Rotary(turned, 10.0, pairs), numpy_generator(0, "gauge")
    gauge = random_commuting(width, rotary, generator, dtype=torch.float64)
    assert _apart(rotary, gauge, width) < ROUNDING
    torch.testing.assert_close(
        gauge.matrix @ gauge.inverse, torch.eye(width, dtype=torch.float64), rtol=0, atol=ROUNDING
    )
    assert float((gauge.matrix - torch.diag(gauge.matrix.diagonal())).abs().max()) > 0.1
    assert _apart(rotary, random_invertible(width, generator, dtype=torch.float64), width) > 0.1


def test_each_pair_is_a_complex_number_and_the_rest_is_free() -> None:
    """Six features of which four turn, in halves: planes (0, 2) and (1, 3)."""
    gauge = random_commuting(6, Rotary(4, 10.0, "halves"), numpy_generator(0, "gauge"), dtype=torch.float64).matrix
    allowed = torch.zeros(6, 6, dtype=torch.bool)
    for first, second in ((0, 2), (1, 3)):
        assert gauge[first, first] == gauge[second, second]
        assert gauge[first, second] == -gauge[second, first]
        allowed[[[first], [second]], [first, second]] = True
    allowed[4:, 4:] = True
    assert torch.equal(gauge != 0, allowed)
