"""Edges and pairs: the scores of heads at a second head."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.records import Claim, Component, Interpretation, MethodCard, Relabelling, Verdict
from auditor.records.slices import at_slice
from tests.auditor.verdicts.samples import EXACT, TWIN, judged, variant

FIRST, SECOND, READER, OTHER = HEADS = tuple(Component(layer, head=head) for layer in (0, 1) for head in (0, 1))
CARD = MethodCard("edges", "patching", "logits", ("pattern",), "frobenius", {})
NOISE = 0.05


def edges(into_reader: list[float], into_other: list[float], *, seed: int = 0) -> Interpretation:
    """The two heads of the first layer write this much to L1H0 and L1H1, on 80 sequences."""
    means = np.zeros((4, 4))
    means[:2, 2], means[:2, 3] = into_reader, into_other
    noise = np.random.default_rng(seed).normal(size=(80, 4, 4)) * NOISE * (means != 0)
    return Interpretation("edges", ("sequence", "head", "to_head"), HEADS, means + noise)


BASE = edges([0.2, 1.0], [0.8, 0.4])


def _verdicts(claim: Claim, twin: Interpretation, relabelling: Relabelling | None = None) -> tuple[Verdict, str]:
    found = judged(BASE, [(variant(relabelling=relabelling), twin)], card=CARD, claims=[claim])
    (finding,) = found.values()
    return finding.verdict, finding.reason


def test_a_slice_holds_the_heads_that_can_write_to_the_reader() -> None:
    found = at_slice(BASE, ("to_head", "L1H0"))
    assert (found.axes, found.components) == (("sequence", "head"), (FIRST, SECOND))
    np.testing.assert_array_equal(found.values, BASE.values[:, :2, 2])


def test_a_pair_is_of_two_different_heads() -> None:
    pairs = Interpretation("pairs", ("sequence", "head", "with_head"), HEADS, BASE.values)
    assert at_slice(pairs, ("with_head", "L1H0")).components == (FIRST, SECOND, OTHER)


@pytest.mark.parametrize(
    ("kind", "component", "parameters", "twin", "expected"),
    [
        ("rank", SECOND, {"top": 1, "to_head": "L1H0"}, ([0.3, 0.9], [0.4, 0.8]), Verdict.STABLE),
        ("rank", SECOND, {"top": 1, "to_head": "L1H0"}, ([0.9, 0.3], [0.8, 0.4]), Verdict.UNSTABLE),
        ("rank", FIRST, {"top": 1, "to_head": "L1H1"}, ([0.9, 0.3], [0.8, 0.4]), Verdict.STABLE),
        (
            "predicate",
            FIRST,
            {"threshold": 0.5, "above": True, "to_head": "L1H1"},
            ([0.2, 1], [0.4, 0.4]),
            Verdict.UNSTABLE,
        ),
        ("comparison", SECOND, {"other": "L0H0", "by": 0.5, "to_head": "L1H0"}, ([0.4, 1], [1, 1]), Verdict.STABLE),
        ("comparison", SECOND, {"other": "L0H0", "by": 0.5, "to_head": "L1H0"}, ([0.6, 1], [1, 1]), Verdict.UNSTABLE),
    ],
)
def test_claims_about_edges_are_judged_on_the_edges_into_the_reader(
    kind: str,
    component: Component,
    parameters: dict[str, object],
    twin: tuple[list[float], list[float]],
    expected: Verdict,
) -> None:
    claim = Claim("edges", kind, component, "", parameters)
    assert _verdicts(claim, edges(*twin, seed=1)) == (expected, "")


def test_readers_and_writers_that_changed_places_are_found_under_their_old_names() -> None:
    """The variant has the heads of each layer the other way round."""
    moved = edges([0.4, 0.8], [1.0, 0.2], seed=1)
    claim = Claim("edges", "rank", SECOND, "", {"top": 1, "to_head": "L1H0"})
    relabelling = Relabelling({"head": ((1,), (0,), (3,), (2,))})
    assert _verdicts(claim, moved, relabelling) == (Verdict.STABLE, "")
    assert _verdicts(claim, moved)[0] is Verdict.STABLE  # 0.8 is ahead of 0.4 there too
    claim = Claim("edges", "predicate", SECOND, "", {"threshold": 0.9, "above": True, "to_head": "L1H0"})
    assert _verdicts(claim, moved, relabelling)[0] is Verdict.STABLE
    assert _verdicts(claim, moved)[0] is Verdict.UNSTABLE


def test_a_reader_without_a_counterpart_leaves_the_claim_undefined() -> None:
    relabelling = Relabelling({"head": ((0,), (1,), None, (3,))})
    claim = Claim("edges", "rank", SECOND, "", {"top": 1, "to_head": "L1H0"})
    assert _verdicts(claim, BASE, relabelling) == (
        Verdict.INCONCLUSIVE,
        "undefined: 0 heads of the variant stand for L1H0",
    )


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"top": 1, "to_head": "L7H0"}, "edges has no score for L7H0"),
        ({"top": 1, "with_head": "L1H0"}, "edges has no scores of pairs of heads"),
    ],
)
def test_what_a_method_does_not_score_is_undefined(parameters: dict[str, object], said: str) -> None:
    assert _verdicts(Claim("edges", "rank", SECOND, "", parameters), BASE)[1] == f"undefined: {said}"


def test_an_exact_variant_overturns_a_claim_about_an_edge() -> None:
    claim = Claim("edges", "rank", SECOND, "", {"top": 1, "to_head": "L1H0"})
    given = [(variant(EXACT), edges([1.0, 0.2], [0.8, 0.4])), (variant(TWIN), BASE)]
    found = judged(BASE, given, card=CARD, claims=[claim])
    assert found["rank", "L0H1", EXACT].verdict is Verdict.UNSTABLE
    assert found["rank", "L0H1", TWIN].verdict is Verdict.STABLE
