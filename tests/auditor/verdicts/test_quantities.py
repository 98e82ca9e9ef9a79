"""What a claim is about, in numbers: positions, overlaps, distances, flips."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.records import Claim
from auditor.verdicts.pairing import Pairing
from auditor.verdicts.quantities import flip_rate, is_false, quantity, rashomon_interval
from tests.auditor.verdicts.samples import heads, patterns, scores

TOP_1 = Claim("scores", "rank", heads(4)[0], "", {"top": 1})
TOP_2 = Claim("scores", "rank", heads(4)[0], "", {"top": 2})
PAIR = Claim("scores", "set", heads(4)[0], "", {"members": ["L0H0", "L0H1"]})
HALF = Claim("scores", "predicate", heads(4)[0], "", {"predicate": "big", "threshold": 0.5, "above": True})
SMALL = Claim("scores", "predicate", heads(4)[0], "", {"predicate": "small", "threshold": 0.5, "above": False})
SCORE = Claim("scores", "value", heads(4)[0], "", {"score": 4.0})
BASE = [4.0, 3.0, 2.0, 1.0]


def _pair(other: list[float]) -> Pairing:
    return Pairing(scores([BASE]), scores([other]), "relative_change")


@pytest.mark.parametrize(
    ("claim", "other", "expected"),
    [
        (TOP_1, BASE, 1),
        (TOP_1, [1.0, 3.0, 2.0, 1.0], 3),  # a tie with L0H3 is shared
        (TOP_1, [3.0, 3.0 + 1e-12, 2.0, 1.0], 1),  # ahead by rounding
        (PAIR, BASE, 0.0),
        (PAIR, [4.0, 1.0, 3.0, 2.0], 1 - 1 / 3),  # {0, 2} shares one of three with {0, 1}
        (PAIR, [0.0, 1.0, 3.0, 2.0], 1.0),
        (HALF, [0.3, 0.0, 0.0, 0.0], 0.3),
        (SCORE, [-5.0, 0.0, 0.0, 0.0], -5.0),
    ],
)
def test_quantities_by_hand(claim: Claim, other: list[float], expected: float) -> None:
    assert quantity(claim, _pair(other)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("claim", "other", "expected"),
    [
        (TOP_1, BASE, False),
        (TOP_1, [2.0, 3.0, 1.0, 1.0], True),
        (TOP_2, [2.0, 3.0, 1.0, 1.0], False),
        (TOP_2, [2.0, 3.0, 2.5, 1.0], True),
        (PAIR, [3.0, 4.0, 2.0, 1.0], False),
        (PAIR, [4.0, 2.0, 3.0, 1.0], True),
        (HALF, [0.5, 9.0, 9.0, 9.0], False),
        (HALF, [0.49, 9.0, 9.0, 9.0], True),
        (SMALL, [0.49, 9.0, 9.0, 9.0], False),
        (SMALL, [0.51, 9.0, 9.0, 9.0], True),
    ],
)
def test_a_claim_is_true_or_false_of_a_variant(claim: Claim, other: list[float], expected: bool) -> None:
    assert is_false(claim, _pair(other)) is expected


def test_the_interval_holds_the_original_and_every_variant() -> None:
    found = rashomon_interval(SCORE, _pair(BASE), [5.0], [5.0, 1.0])
    assert found is not None
    assert (found.quantity, found.original, found.own, found.overall) == ("score", 4.0, (4.0, 5.0), (1.0, 5.0))
    assert found.variants == 2
    assert rashomon_interval(SCORE, _pair(BASE), [], []) is None


def test_a_pattern_goes_as_far_as_its_distance() -> None:
    """All mass on the first key against all on the last: disjoint. The original is at distance 0 of itself."""
    base, other = np.zeros((1, 1, 3, 3)), np.zeros((1, 1, 3, 3))
    base[..., 0], other[..., 2] = 1.0, 1.0
    pair, claim = (
        Pairing(patterns(base), patterns(other), "total_variation"),
        Claim("pattern", "pattern", heads(1)[0], ""),
    )
    number = quantity(claim, pair)
    found = rashomon_interval(claim, pair.itself, [number], [number])
    assert found is not None
    assert (found.quantity, found.original, found.own) == ("total_variation", 0.0, (0.0, 1.0))


def test_flips_come_with_the_interval_of_wilson() -> None:
    """1 of 4: centre (1/4 + z²/8) / (1 + z²/4), half-width z·√(3/64 + z²/64) / (1 + z²/4) with z = 1.96."""
    pairings = [_pair(BASE), _pair(BASE), _pair(BASE), _pair([0.0, 1.0, 1.0, 1.0])]
    found = flip_rate(TOP_1, pairings)
    assert found is not None
    assert (found.flips, found.variants, found.rate) == (1, 4, 0.25)
    z = 1.959964
    centre, half = 0.25 + z**2 / 8, z * np.sqrt(3 / 64 + z**2 / 64)
    assert found.interval == pytest.approx(((centre - half) / (1 + z**2 / 4), (centre + half) / (1 + z**2 / 4)))
    assert flip_rate(SCORE, pairings) is None
    assert flip_rate(TOP_1, []) is None
