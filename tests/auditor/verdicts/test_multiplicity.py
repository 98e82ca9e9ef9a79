"""Adjusted p-values worked out by hand."""

from __future__ import annotations

import pytest

from auditor.records import Multiplicity
from auditor.verdicts.multiplicity import q_values

GIVEN = [0.02, 0.9, 0.005, 0.04, 0.01]


def test_benjamini_hochberg_by_hand() -> None:
    """Sorted 0.005, 0.01, 0.02, 0.04, 0.9 times 5/rank: 0.025, 0.025, 0.033, 0.05, 0.9."""
    assert q_values(GIVEN) == pytest.approx([0.1 / 3, 0.9, 0.025, 0.05, 0.025])
    assert q_values([]) == []
    assert q_values([0.3]) == pytest.approx([0.3])


def test_benjamini_yekutieli_multiplies_by_the_harmonic_sum() -> None:
    """1 + 1/2 + 1/3 + 1/4 + 1/5 = 137/60 times as much, at most 1."""
    found = q_values(GIVEN, Multiplicity.BENJAMINI_YEKUTIELI)
    assert found == pytest.approx([min(1.0, q * 137 / 60) for q in q_values(GIVEN)])
