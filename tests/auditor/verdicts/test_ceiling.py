"""Random relabellings, against all of them one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from auditor.records import Claim
from auditor.seeds import numpy_generator
from auditor.verdicts.ceiling import ceiling_of
from auditor.verdicts.contrasts import margins_of
from auditor.verdicts.pairing import Pairing
from tests.auditor.verdicts.samples import heads, patterns, scores

GIVEN = np.asarray([[4.0, 2.5, 2.0, -1.0]])


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("value", {}),
        ("rank", {"top": 1}),
        ("rank", {"top": 2}),
        ("set", {"members": ["L0H0", "L0H1"]}),
        ("predicate", {"threshold": 1.0, "above": True}),
        ("predicate", {"threshold": 1.0, "above": False}),
    ],
)
def test_the_mean_over_relabellings_is_that_over_all_24_orders(kind: str, parameters: dict[str, object]) -> None:
    claim = Claim("scores", kind, heads(4)[1], "", parameters)
    orders = [list(order) for order in itertools.permutations(range(4))]
    pairs = [Pairing(scores(GIVEN), scores(GIVEN[:, order]), "relative_change") for order in orders]
    expected = np.mean([margins_of(claim, pair).effect for pair in pairs])
    assert ceiling_of(claim, pairs[0], seed=0) == pytest.approx(expected)


def test_patterns_are_compared_with_those_of_all_heads() -> None:
    given = numpy_generator(0, "rows").dirichlet(np.ones(3), size=(6, 3, 3))
    pairs = [Pairing(patterns(given), patterns(given[:, [one, 1, 2]]), "total_variation") for one in range(3)]
    claim = Claim("pattern", "pattern", heads(3)[0], "")
    expected = np.mean([margins_of(claim, pair).effect for pair in pairs])
    assert ceiling_of(claim, pairs[0], seed=0) == pytest.approx(expected)


def test_one_component_cannot_be_relabelled() -> None:
    alone = Pairing(scores([[1.0]]), scores([[1.0]]), "relative_change")
    assert ceiling_of(Claim("scores", "value", heads(1)[0], ""), alone, seed=0) is None


def test_too_many_sets_are_drawn() -> None:
    """40 components, 8 members: 77 million sets. Of equal draws the mean shortfall is near that of other draws."""
    given = numpy_generator(0, "many").normal(size=(1, 40))
    pair = Pairing(scores(given), scores(given), "relative_change")
    claim = Claim("scores", "set", heads(40)[0], "", {"members": [f"L0H{i}" for i in range(8)]})
    first, second = (ceiling_of(claim, pair, seed=seed) for seed in (0, 1))
    assert first == pytest.approx(second, rel=0.05)
    assert first != second
