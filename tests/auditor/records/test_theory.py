"""What derives from what a method depends on and what an equivalence changes, by hand."""

from __future__ import annotations

import pytest

from auditor.records import Expected
from auditor.records.theory import Aspect, Expectation, composed, derived

DEPENDS_ON = {
    Aspect.HEAD_ORDER: Expected.RELABELLED,
    Aspect.HEAD_SHARES: Expected.DILUTED,
    Aspect.STREAM_READS: Expected.CHANGES,
    Aspect.VALUE_ZERO: Expected.FREE,
    Aspect.NORM_OUTPUTS: Expectation(Expected.OPEN, "reads the stream"),
}


@pytest.mark.parametrize(
    ("changes", "expected", "reason"),
    [
        ({Aspect.KEY_ZERO}, Expected.INVARIANT, "depends on nothing that it changes"),
        ({Aspect.HEAD_ORDER, Aspect.KEY_ZERO}, Expected.RELABELLED, "depends on the order of the heads"),
        ({Aspect.HEAD_ORDER, Aspect.HEAD_SHARES}, Expected.DILUTED, "depends on how copies of a head share"),
        ({Aspect.HEAD_SHARES, Aspect.STREAM_READS}, Expected.CHANGES, "depends on how weights read"),
        ({Aspect.STREAM_READS, Aspect.VALUE_ZERO}, Expected.FREE, "depends on the zero of the values"),
        ({Aspect.VALUE_ZERO, Aspect.NORM_OUTPUTS}, Expected.OPEN, "reads the stream"),
    ],
)
def test_the_strongest_answer_to_a_change_is_predicted(changes: set[Aspect], expected: Expected, reason: str) -> None:
    found = derived(DEPENDS_ON, changes)
    assert found.expected is expected
    assert found.reason.startswith(reason)


@pytest.mark.parametrize("expected", Expected)
def test_a_composition_of_renamings_renames_and_any_other_change_leaves_it_open(expected: Expected) -> None:
    parts = {"still": Expectation(Expected.INVARIANT, "is still"), "one": Expectation(expected, "moves")}
    found = composed(parts)
    if expected in (Expected.INVARIANT, Expected.RELABELLED):
        assert found.expected is expected
    else:
        assert found == Expectation(Expected.OPEN, "under one it moves, and another part may undo that")
