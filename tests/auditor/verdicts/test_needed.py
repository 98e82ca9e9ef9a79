"""How many more sequences would decide an inconclusive finding."""

from __future__ import annotations

import pytest

from auditor.verdicts.needed import MOST_SEQUENCES, sequences_until


@pytest.mark.parametrize(
    ("value", "interval", "threshold", "expected"),
    [
        (0.3, (0.1, 0.4), 0.2, 400),  # half-width 0.2 below, distance 0.1: four times as many
        (0.1, (0.0, 0.4), 0.2, 900),  # half-width 0.3 above, distance 0.1
        (0.1, (0.0, 0.15), 0.2, 101),  # decided but for the correction: one more at least
        (0.2, (0.1, 0.3), 0.2, None),  # on the threshold no number decides
        (0.2 + 1e-9, (0.1, 0.3), 0.2, None),
    ],
)
def test_the_half_on_the_side_of_the_threshold_shrinks_with_the_root(
    value: float, interval: tuple[float, float], threshold: float, expected: int | None
) -> None:
    found = sequences_until(value, interval, threshold, 100)
    assert found == (None if expected is None else pytest.approx(expected, abs=1))
    assert found is None or found <= MOST_SEQUENCES
