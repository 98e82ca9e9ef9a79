"""Undoing a relabelling: moved, missing, split and untouched components."""

from __future__ import annotations

import numpy as np

from auditor.records import Interpretation, Relabelling
from auditor.verdicts.alignment import align
from tests.auditor.verdicts.samples import heads, patterns, scores


def test_scores_come_back_in_the_order_of_the_original() -> None:
    moves = Relabelling({"head": ((2,), (0,), (1,))})
    aligned = align(scores([[20, 0, 10], [21, 1, 11]]), moves, heads(3))
    assert aligned.values.tolist() == [[0, 10, 20], [1, 11, 21]]
    assert aligned.components == heads(3)
    assert not aligned.undefined


def test_a_matrix_moves_whole() -> None:
    given = np.arange(2 * 2 * 3 * 3, dtype=float).reshape(2, 2, 3, 3)
    aligned = align(patterns(given), Relabelling({"head": ((1,), (0,))}), heads(2))
    np.testing.assert_array_equal(aligned.values, given[:, ::-1])


def test_scores_without_sequences_move_too() -> None:
    assert align(scores([5.0, 6.0]), Relabelling({"head": ((1,), (0,))}), heads(2)).values.tolist() == [6, 5]


def test_an_axis_that_did_not_move_is_left_alone() -> None:
    given = scores([[1.0, 2.0]])
    assert align(given, Relabelling({"neuron": ((1,), (0,))}), heads(2)) is given
    assert align(given, Relabelling(), heads(2)) is given


def test_a_component_without_a_correspondence_is_undefined() -> None:
    aligned = align(scores([[1.0, 2.0]]), Relabelling({"head": ((1,), None)}), heads(2))
    assert aligned.values[0, 1] == 1.0
    assert np.isnan(aligned.values[0, 0])
    assert aligned.undefined == {0: "0 components of the variant stand for L0H0"}


def test_of_a_split_component_the_part_that_scores_most_is_taken() -> None:
    moves = Relabelling({"head": ((0,), (1,), (1,))})
    aligned = align(scores([[1.0, 2.0, -3.0], [1.0, 9.0, -9.0]]), moves, heads(2))
    assert aligned.values.tolist() == [[1.0, -3.0], [1.0, -9.0]]
    assert not aligned.undefined


def test_a_part_without_a_score_is_not_taken() -> None:
    moves = Relabelling({"head": ((0,), (0,))})
    assert align(scores([[np.nan, 2.0]], undefined={0: "why"}), moves, heads(1)).values.tolist() == [[2.0]]
    both = align(scores([[np.nan, np.nan]], undefined={0: "why", 1: "too"}), moves, heads(1))
    assert both.undefined == {0: "why"}


def test_a_merged_component_stands_for_none_of_its_parts() -> None:
    aligned = align(scores([[1.0]]), Relabelling({"head": ((0, 1),)}), heads(2))
    assert set(aligned.undefined) == {0, 1}


def test_a_reason_moves_with_its_component() -> None:
    given: Interpretation = scores([[np.nan, 2.0]], undefined={0: "why"})
    aligned = align(given, Relabelling({"head": ((1,), (0,))}), heads(2))
    assert aligned.undefined == {1: "why"}
    assert aligned.values[0, 0] == 2.0
