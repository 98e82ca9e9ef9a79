"""The table of scores that a report prints."""

from __future__ import annotations

import json

import numpy as np
import pytest

from auditor.records import ORIGINAL, Relabelling
from auditor.verdicts.scores import score_table
from tests.auditor.verdicts.samples import EXACT, PATTERN, SCALAR, noisy, patterns, scores, variant


def test_variants_are_shown_in_the_names_of_the_original() -> None:
    moved = variant(EXACT, relabelling=Relabelling({"head": ((1,), (0,))}))
    base = noisy([2.0, 1.0])
    table = score_table(
        {"scores": SCALAR},
        [moved],
        {(ORIGINAL, "scores"): scores(base), (moved.key, "scores"): scores(base[:, ::-1])},
        draws=200,
        seed=0,
    )
    assert [entry.variant for entry in table] == [ORIGINAL, moved.key]
    for entry in table:
        assert list(entry.values) == pytest.approx(base.mean(axis=0).tolist())
        assert [part.label for part in entry.components] == ["L0H0", "L0H1"]
        for (low, high), value in zip(entry.intervals, entry.values, strict=True):
            assert low < value < high


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_missing_score_is_null_and_leaves_the_others_their_intervals(bad: float) -> None:
    base = noisy([2.0, 1.0])
    base[0, 1] = bad
    entry = score_table({"scores": SCALAR}, [], {(ORIGINAL, "scores"): scores(base)}, draws=200, seed=0)[0]
    json.dumps(entry.to_json(), allow_nan=False)
    assert entry.values[1] is None
    assert entry.intervals[1] is None
    assert entry.intervals[0] is not None


def test_matrices_have_no_single_value() -> None:
    table = score_table(
        {"pattern": PATTERN}, [], {(ORIGINAL, "pattern"): patterns(np.ones((3, 2, 2, 2)))}, draws=200, seed=0
    )
    assert (table[0].values, table[0].intervals) == ((None, None), (None, None))
    assert table[0].sequences == 3


def test_scores_of_weights_have_no_interval() -> None:
    table = score_table({"scores": SCALAR}, [], {(ORIGINAL, "scores"): scores([2.0, 1.0])}, draws=200, seed=0)
    assert (table[0].values, table[0].intervals, table[0].sequences) == ((2.0, 1.0), (None, None), None)
