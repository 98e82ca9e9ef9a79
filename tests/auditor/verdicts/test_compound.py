"""Claims made of parts: known answers, and how often they are called false or true at the edge of both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from auditor.records import ORIGINAL, Claim, Component, Finding, Interpretation, MethodCard, Verdict
from auditor.verdicts.bounds import Bound, Tails, every, of_columns, some
from auditor.verdicts.contrasts import Margins
from auditor.verdicts.judgement import Resampling
from auditor.verdicts.verdict import Settings, findings_of
from tests.auditor.verdicts.samples import EXACT, SETTINGS, heads, noisy, scores, variant

STABLE, UNSTABLE, INCONCLUSIVE = Verdict.STABLE, Verdict.UNSTABLE, Verdict.INCONCLUSIVE
SOME_HEAD, ALL_HEADS = Component(0, part="some head"), Component(0, part="all heads")
HALF = {"predicate": "at least", "threshold": 0.5, "above": True}
BOTH = {"methods": ["a", "b"]}

Means = list[float]


def _found(
    claim: Claim, base: tuple[Means, Means], twins: Sequence[tuple[Means, Means]], *, exact: bool = False
) -> Finding:
    """The finding on a claim over methods a and b; b sees half the sequences."""
    made = [variant(EXACT if exact else "behavioural_move", index) for index in range(len(twins))]
    given = {(ORIGINAL, name): _scores(name, means, 0) for name, means in zip("ab", base, strict=True)}
    for index, (one, means) in enumerate(zip(made, twins, strict=True)):
        given |= {(one.key, name): _scores(name, own, index + 1) for name, own in zip("ab", means, strict=True)}
    cards = {name: MethodCard(name, "ablation", "nats", ("rank",), "relative_change", {}) for name in "ab"}
    (finding,) = findings_of(
        "audit", cards, made, given, original=ORIGINAL, settings=SETTINGS, claims={claim.method: [claim]}
    )
    return finding


def _scores(name: str, means: Means, seed: int) -> Interpretation:
    values = noisy(means, 100 if name == "a" else 50, spread=0.1, seed=seed)
    return scores(values - values.mean(axis=0) + means, method=name)


MASS = ([0.9, 0.1, 0.2, 0.3], [1.0, 1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("twins", "expected"),
    [
        ([[0.9, 0.1, 0.2, 0.3]], STABLE),
        ([[0.1, 0.2, 0.8, 0.3]], STABLE),  # another head does it there
        ([[0.1, 0.2, 0.3, 0.3]], UNSTABLE),
        ([[0.1, 0.2, 0.5, 0.3]], INCONCLUSIVE),
        ([[0.9, 0.1, 0.2, 0.3], [0.1, 0.2, 0.3, 0.3]], UNSTABLE),  # one variant suffices
        ([[0.9, 0.1, 0.2, 0.3], [0.1, 0.9, 0.3, 0.3]], STABLE),  # not the same head on both
    ],
)
def test_some_head_survives_where_the_named_head_does_not(twins: list[Means], expected: Verdict) -> None:
    found = _found(Claim("a", "existence", SOME_HEAD, "", HALF), MASS, [(one, MASS[1]) for one in twins])
    assert found.verdict is expected
    assert found.effect == pytest.approx(max(0.5 - max(one) for one in twins), abs=0.05)
    exact = _found(Claim("a", "existence", SOME_HEAD, "", HALF), MASS, [(one, MASS[1]) for one in twins], exact=True)
    assert exact.verdict is (UNSTABLE if any(max(one) < 0.5 for one in twins) else STABLE)


def test_both_methods_must_find_it_in_one_head() -> None:
    """By a it is head 0, by b head 1: each finds some head, and no head is found by both."""
    claim = Claim("a", "existence", SOME_HEAD, "", {**HALF, **BOTH})
    base = ([0.9, 0.8, 0.1], [0.9, 0.9, 0.1])
    assert _found(claim, base, [([0.9, 0.1, 0.1], [0.1, 0.9, 0.1])]).verdict is UNSTABLE
    assert _found(claim, base, [([0.1, 0.9, 0.1], [0.1, 0.9, 0.1])]).verdict is STABLE


@pytest.mark.parametrize(
    ("twin", "expected"),
    [
        (([1.0, 0.5, 0.1], [2.0, 0.5, 0.1]), STABLE),
        (([0.5, 1.0, 0.1], [2.0, 0.5, 0.1]), UNSTABLE),
        (([1.0, 0.5, 0.1], [0.5, 2.0, 0.1]), UNSTABLE),
        (([0.75, 0.75, 0.1], [2.0, 0.5, 0.1]), INCONCLUSIVE),
    ],
)
def test_a_conjunction_holds_where_both_methods_agree(twin: tuple[Means, Means], expected: Verdict) -> None:
    claim = Claim("a", "conjunction", heads(3)[0], "", {"kind": "rank", "top": 1, **BOTH})
    assert _found(claim, ([1.0, 0.5, 0.1], [2.0, 0.5, 0.1]), [twin]).verdict is expected


@pytest.mark.parametrize(
    ("twin", "expected"),
    [
        (([4.0, 3.0, 1.0, 0.0], [3.0, 4.0, 1.0, 0.0]), STABLE),
        (([0.0, 1.0, 3.0, 4.0], [1.0, 0.0, 3.0, 4.0]), STABLE),  # another set, but the same by both
        (([4.0, 3.0, 1.0, 0.0], [4.0, 1.0, 3.0, 0.0]), UNSTABLE),
        (([4.0, 3.0, 1.0, 0.0], [4.0, 2.0, 2.0, 0.0]), INCONCLUSIVE),
    ],
)
def test_methods_agree_on_whatever_leads(twin: tuple[Means, Means], expected: Verdict) -> None:
    claim = Claim("a", "agreement", ALL_HEADS, "", {"top": 2, **BOTH})
    found = _found(claim, ([4.0, 3.0, 1.0, 0.0], [4.0, 3.0, 1.0, 0.0]), [twin])
    assert (found.verdict, found.flips is not None) == (expected, True)


@pytest.mark.parametrize(
    ("claim", "base", "said"),
    [
        (Claim("a", "existence", SOME_HEAD, "", HALF), ([0.1, 0.2], [1.0, 1.0]), "it falls short by 0.3"),
        (Claim("a", "existence", SOME_HEAD, "", HALF), ([0.1, 0.505], [1.0, 1.0]), "not resolved by 100 sequences"),
        (Claim("a", "existence", Component(0, part="some neuron"), "", HALF), MASS, "scores heads"),
        (Claim("a", "agreement", ALL_HEADS, "", {"top": 4, **BOTH}), MASS, "4 of 4 components make no order"),
        (Claim("a", "agreement", ALL_HEADS, "", {"top": 8, **BOTH}), ([*range(16)], [*range(16)]), "too many"),
        (
            Claim("a", "conjunction", Component(3, head=9), "", {"kind": "rank", "top": 1, **BOTH}),
            MASS,
            "score for L3H9",
        ),
    ],
)
def test_what_the_original_does_not_show_is_no_verdict_and_has_a_reason(
    claim: Claim, base: tuple[Means, Means], said: str
) -> None:
    found = _found(claim, base, [base])
    assert found.verdict is INCONCLUSIVE
    assert said in found.reason


def test_every_needs_all_of_its_parts_and_some_one_of_them() -> None:
    good, bad = Bound(-1.0, -1.5, -0.5, 1.0), Bound(1.0, 0.5, 1.5, 0.001)
    assert every([good, bad]) == Bound(1.0, 0.5, 1.5, 0.002)
    assert some([good, bad]) == Bound(-1.0, -1.5, -0.5, 1.0)


def test_ends_that_the_draws_do_not_resolve_are_infinite() -> None:
    parts = noisy([0.0], 50)
    margins = Margins(np.zeros(1), parts - parts.mean(0))
    (one,) = of_columns(margins, np.arange(50), Resampling(999, 0), Tails().of_every(1_000))
    assert (one.low, np.isfinite(one.high)) == (-np.inf, True)


TRIALS, HEADS, SEQUENCES = 300, 4, 40
MOST_WRONG = 0.05
"""Twice the level of an end, 2.5 %: with 300 trials 4.6 % is two standard errors above it."""


def _rates(truth: Means, kind: str) -> tuple[float, float]:
    """How often "some head is at least 0", or "every", is called false and true at these means."""
    called = []
    for trial in range(TRIALS):
        values = noisy(truth, SEQUENCES, spread=1.0, seed=trial)
        tails = Tails().of_some(HEADS) if kind == "some" else Tails().of_every(HEADS)
        margins = Margins(-values.mean(0), values.mean(0) - values)
        parts = of_columns(margins, np.arange(SEQUENCES), Resampling(999, 0), tails)
        found = (some if kind == "some" else every)(parts)
        called.append((found.low > 0 and found.p < MOST_WRONG, found.high < 0))
    false, true = np.mean(called, axis=0)
    return float(false), float(true)


@pytest.mark.parametrize(
    ("truth", "kind", "is_true"),
    [
        ([0.0, -0.9, -0.9, -0.9], "some", True),
        ([0.0, 0.0, 0.0, 0.0], "some", True),
        ([-0.02, -0.02, -0.02, -0.02], "some", False),
        ([0.0, 0.9, 0.9, 0.9], "every", True),
        ([0.0, 0.0, 0.0, 0.0], "every", True),
        ([-0.02, 0.9, 0.9, 0.9], "every", False),
    ],
)
def test_the_wrong_call_is_rare_at_the_edge(truth: Means, kind: str, *, is_true: bool) -> None:
    false, true = _rates(truth, kind)
    assert (false if is_true else true) <= MOST_WRONG


def test_a_claim_is_judged_alike_whatever_the_order_of_the_sequences() -> None:
    claim = Claim("a", "existence", SOME_HEAD, "", HALF)
    card = MethodCard("a", "ablation", "nats", ("rank",), "relative_change", {})
    base, twin = noisy([0.9, 0.1]), noisy([0.1, 0.62], seed=1)
    found = []
    for order in (np.arange(100), np.arange(100)[::-1]):
        given = {(ORIGINAL, "a"): scores(base[order], method="a"), ("move/0", "a"): scores(twin[order], method="a")}
        made = [variant("move")]
        settings = Settings(draws=1_999, alpha=0.05, seed=0)
        found += findings_of("x", {"a": card}, made, given, original=ORIGINAL, settings=settings, claims={"a": [claim]})
    assert found[0].interval == pytest.approx(found[1].interval, abs=1e-9)
