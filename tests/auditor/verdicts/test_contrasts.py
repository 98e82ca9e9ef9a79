"""Margins worked out by hand, and what resampling them means."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.records import Claim
from auditor.seeds import numpy_generator
from auditor.verdicts.contrasts import MOST_MARGINS, Margins, margins_of
from auditor.verdicts.distances import rank_shortfall, relative_change
from auditor.verdicts.pairing import Pairing
from tests.auditor.verdicts.samples import heads, noisy, patterns, scores

BASE, OTHER = noisy([2.0, 1.0, 0.001]), noisy([1.5, 1.6, 0.2], seed=1)


def _pair(base: np.ndarray = BASE, other: np.ndarray = OTHER) -> Pairing:
    return Pairing(scores(base), scores(other), "relative_change")


def _claim(kind: str, head: int = 0, **parameters: object) -> Claim:
    return Claim("scores", kind, heads(8)[head], "", parameters)


@pytest.mark.parametrize("head", [0, 1, 2])
def test_the_margin_of_a_value_is_its_relative_change(head: int) -> None:
    found = margins_of(_claim("value", head), _pair())
    assert found.effect == pytest.approx(relative_change(BASE.mean(axis=0), OTHER.mean(axis=0))[head])
    assert found.two_sided


def test_the_margins_of_a_rank_are_the_leads_of_the_others() -> None:
    found = margins_of(_claim("rank", 0, top=1), _pair())
    means = OTHER.mean(axis=0)
    assert sorted(found.effects) == pytest.approx(sorted((means[1:] - means[0]) / means[1]))
    assert found.effect == pytest.approx(float(rank_shortfall(means, 0)))
    second = margins_of(_claim("rank", 0, top=2), _pair())
    assert second.effects == pytest.approx([(means[2] - means[0]) / means[1]])
    assert second.effect == pytest.approx(float(rank_shortfall(means, 0, top=2)))


def test_the_margins_of_a_set_are_outsiders_against_members() -> None:
    found = margins_of(_claim("set", 0, members=["L0H0", "L0H2"]), _pair())
    means = OTHER.mean(axis=0)
    assert sorted(found.effects) == pytest.approx(sorted((means[1] - means[[0, 2]]) / means[1]))


def test_the_margin_of_a_predicate_is_what_is_missing() -> None:
    for above, sign in ((True, 1.0), (False, -1.0)):
        found = margins_of(_claim("predicate", 1, threshold=1.2, above=above), _pair())
        assert found.effect == pytest.approx(sign * (1.2 - OTHER.mean(axis=0)[1]))


@pytest.mark.parametrize(
    "claim",
    [
        _claim("value", 0),
        _claim("value", 2),
        _claim("rank", 0, top=1),
        _claim("set", 0, members=["L0H0", "L0H2"]),
        _claim("predicate", 1, threshold=1.2, above=True),
    ],
    ids=lambda claim: f"{claim.kind} {claim.component.label}",
)
def test_the_influence_of_a_sequence_is_what_leaving_it_out_changes(claim: Claim) -> None:
    """θ − θ without sequence i ≈ part i / (n − 1) (Efron 1982, the infinitesimal jackknife).

    The scale of rank and set margins, the largest score, is held: it decides no sign.
    """
    found, is_order = margins_of(claim, _pair()), claim.kind in ("rank", "set")
    assert found.parts is not None
    np.testing.assert_allclose(found.parts.mean(axis=0), 0.0, atol=1e-12)
    for left_out in (0, 17):
        rest = np.delete(np.arange(len(BASE)), left_out)
        without = margins_of(claim, _pair(BASE[rest], OTHER[rest]))
        scale = OTHER[rest].mean(axis=0).max() / OTHER.mean(axis=0).max() if is_order else 1.0
        change = (found.effects - without.effects * scale) * (len(BASE) - 1)
        np.testing.assert_allclose(change, found.parts[left_out], atol=0.05 * np.abs(found.parts).max())


def test_scores_of_weights_have_no_parts() -> None:
    pair = Pairing(scores([2.0, 1.0]), scores([1.0, 2.0]), "relative_change")
    for claim in (_claim("value"), _claim("rank", top=1), _claim("predicate", threshold=1.0)):
        assert margins_of(claim, pair).parts is None


def test_of_many_margins_the_nearest_and_the_largest_stay() -> None:
    values = numpy_generator(0, "many").normal(size=(50, 300))
    found: Margins = margins_of(
        Claim("scores", "rank", heads(300)[7], "", {"top": 1}),
        Pairing(scores(values), scores(values), "relative_change"),
    )
    assert len(found.effects) == MOST_MARGINS
    assert found.effect == pytest.approx(float(rank_shortfall(values.mean(axis=0), 7)))


def test_a_pattern_weighs_sequences_by_their_rows() -> None:
    """Two sequences of one row and of three: distances ½ and 0 give (½ · 1 + 0 · 3) / 4."""
    base, other = np.zeros((2, 1, 4, 2)), np.zeros((2, 1, 4, 2))
    base[0, 0, :2, 0] = base[1, 0, :, 0] = 1.0
    other[1, 0, :, 0] = 1.0
    other[0, 0, :2] = 0.5
    pair = Pairing(patterns(base), patterns(other), "total_variation")
    found = margins_of(Claim("pattern", "pattern", heads(1)[0], ""), pair)
    assert found.effect == pytest.approx(0.125)
    assert found.parts is not None
    assert found.parts[:, 0] == pytest.approx([(0.5 - 0.125) / 2, -0.375 / 2])
