"""What a method's own random draws leave in a comparison."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.records import Claim
from auditor.verdicts.noise import Rerun
from auditor.verdicts.pairing import Pairing
from tests.auditor.verdicts.samples import PATTERN, TWIN, heads, judged, noisy, patterns, scores, variant

VALUE = Claim("scores", "value", heads(2)[0], "")


def test_a_method_without_draws_has_no_noise_of_its_own() -> None:
    itself = Pairing(scores([[2.0, 1.0]] * 3), scores([[2.0, 1.0]] * 3), "relative_change")
    assert Rerun(None).errors(itself).tolist() == [0.0, 0.0]
    assert Rerun(None).floor(VALUE) == 0.0


def test_the_error_of_a_component_is_its_change_and_at_least_the_root_mean_square() -> None:
    """Changes 0.3 and 0.1: root mean square √((0.09 + 0.01) / 2) = √0.05."""
    base, again = scores([[2.0, 1.0], [2.0, 1.0]]), scores([[2.3, 0.9], [2.3, 0.9]])
    rerun = Rerun(Pairing(base, again, "relative_change"))
    assert rerun.errors(Pairing(base, base, "relative_change")).tolist() == pytest.approx([0.3, np.sqrt(0.05)])
    assert rerun.floor(VALUE) == pytest.approx(0.15)


def test_draws_that_move_a_score_as_much_as_the_twin_leave_its_value_undecided() -> None:
    base = noisy([2.0, 1.0], spread=0.01)
    moved = [(variant(), scores(base * [1.2, 1.0]))]
    key = ("value", "L0H0", TWIN)
    assert judged(scores(base), moved)[key].verdict == "unstable"
    noisily = judged(scores(base), moved, again=scores(base * [1.2, 1.0]))[key]
    assert noisily.verdict == "inconclusive"
    assert noisily.effect == pytest.approx(0.2)  # noise widens the interval and moves no effect
    assert noisily.noise_floor == pytest.approx(0.2)


def test_draws_count_in_an_order_too() -> None:
    base = noisy([2.0, 1.9], spread=0.01)
    swapped = [(variant(), scores(base[:, ::-1]))]
    key = ("rank", "L0H0", TWIN)
    assert judged(scores(base), swapped)[key].verdict == "unstable"
    unsure = judged(scores(base), swapped, again=scores(base + np.asarray([0.1, -0.1])))[key]
    assert (unsure.verdict, unsure.resolved) == ("inconclusive", False)


def test_the_distance_of_a_rerun_is_taken_from_that_of_a_twin() -> None:
    """Total variation from uniform rows: twin 0.5 in each row, rerun 0.25."""
    uniform = np.full((40, 1, 2, 2), 0.5)
    twin, again = uniform.copy(), uniform.copy()
    twin[..., 1, :], again[..., 1, :] = (1.0, 0.0), (0.75, 0.25)
    found = judged(patterns(uniform), [(variant(), patterns(twin))], card=PATTERN, again=patterns(again))
    finding = found["pattern", "L0H0", TWIN]
    assert (finding.effect, finding.noise_floor) == (pytest.approx(0.25), pytest.approx(0.25))
