"""The test that gives every p-value, on margins whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditor.seeds import numpy_generator
from auditor.verdicts.bootstrap import studentised
from auditor.verdicts.contrasts import Margins
from auditor.verdicts.worst_case import LEAST_SEQUENCES, WorstCase, least_sequences, unseen_share, worst_case

DRAWS = 4_999


def _margins(effects: list[float], spread: float = 1.0, *, sequences: int = 100, two_sided: bool = False) -> Margins:
    parts = spread * numpy_generator(0, "parts").normal(size=(sequences, len(effects)))
    return Margins(np.asarray(effects), parts - parts.mean(axis=0), two_sided=two_sided)


def _judged(variants: list[Margins], threshold: float) -> WorstCase:
    columns = np.concatenate([one.parts for one in variants if one.parts is not None], axis=1)
    shifts, t = studentised(columns, draws=DRAWS, seed=0)
    return worst_case(variants, shifts, t, threshold, seed=0)


def _error(margins: Margins, column: int = 0) -> float:
    assert margins.parts is not None
    return float(margins.parts[:, column].std() / 10)


def test_one_margin_is_a_t_test() -> None:
    margins = _margins([0.3])
    found, error = _judged([margins], 0.1), _error(margins)
    assert found.p == pytest.approx(stats.t.sf(0.2 / error, 99), abs=0.01)
    assert found.interval == pytest.approx((0.3 - 1.98 * error, 0.3 + 1.98 * error), abs=0.03)
    assert found.mean_interval is None


def test_a_folded_margin_is_tested_on_both_sides() -> None:
    """With Δ = 0 either sign overturns: twice the tail. With Δ far away only one side is near."""
    margins = _margins([-0.2], two_sided=True)
    error = _error(margins)
    assert _judged([margins], 0.0).p == pytest.approx(2 * stats.t.sf(0.2 / error, 99), abs=0.015)
    far = _margins([-2.2], two_sided=True)
    assert _judged([far], 2.0).p == pytest.approx(stats.t.sf(0.2 / error, 99), abs=0.015)
    assert _judged([far], 2.0).effect == 2.2


def test_margins_far_below_do_not_count() -> None:
    """One margin near the threshold among twenty far below is as telling as alone."""
    alone, among = _margins([0.25]), _margins([0.25] + [-9.0] * 20)
    assert _judged([among], 0.0).p == pytest.approx(_judged([alone], 0.0).p, abs=0.02)
    tied = _judged([_margins([0.25] + [0.0] * 20)], 0.0)
    assert tied.p > 5 * _judged([alone], 0.0).p


def test_all_must_be_below_for_the_upper_end_to_be() -> None:
    narrow, wide = _margins([0.0], spread=0.01), _margins([-0.5], spread=3.0)
    assert _judged([narrow], 0.1).interval[1] < 0.1
    assert _judged([narrow, wide], 0.1).interval[1] > 0.1
    assert _judged([narrow, wide], 0.1).effect == 0.0


def test_two_twins_that_move_together_are_no_two_chances() -> None:
    """The same margin twice is the same test."""
    margins = _margins([0.2])
    once, twice = _judged([margins], 0.0), _judged([margins, margins], 0.0)
    assert once.p == twice.p
    assert once.interval == pytest.approx(twice.interval)


def test_what_does_not_vary_is_known_but_for_the_sequences_not_seen() -> None:
    """Twenty equal sequences leave 1 − 0.025^(1/20) = 0.168 of all that may be otherwise."""
    still = Margins(np.asarray([0.3]), np.zeros((20, 1)))
    assert unseen_share(20) == pytest.approx(0.168, abs=1e-3)
    found = _judged([still], 0.1)
    assert found.interval == pytest.approx((0.3 - 0.168, 0.3 + 0.168), abs=0.01)
    assert 0.005 < found.p < 0.025
    assert _judged([still], 0.5).p > 0.9
    assert _judged([Margins(np.asarray([0.3]), np.zeros((2_000, 1)))], 0.1).interval[0] > 0.29
    wide = _judged([Margins(np.asarray([3.0]), np.zeros((20, 1)), unit=10.0)], 1.0)
    assert wide.interval == pytest.approx((3.0 - 1.68, 3.0 + 1.68), abs=0.1)


def test_fewer_sequences_than_leave_a_tenth_unseen_show_no_stability() -> None:
    assert least_sequences(0.1) == 36
    for sequences, holds in ((35, False), (36, True)):
        assert (unseen_share(sequences) < 0.1) is holds
    assert least_sequences(0.0) == least_sequences(0.5) == LEAST_SEQUENCES


def test_the_interval_of_the_mean_over_twins_is_wide_where_there_are_few() -> None:
    """Effects 0 and 1: resampling two twins gives 0, ½ or 1, whatever the sequences say."""
    found = _judged([_margins([0.0], 0.01), _margins([1.0], 0.01)], 0.1)
    assert found.mean_interval == pytest.approx((0.0, 1.0), abs=0.01)
    assert found.effect == 1.0
