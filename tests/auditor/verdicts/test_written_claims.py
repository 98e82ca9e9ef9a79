"""Claims that users write: missing components, false for the original, forms that are not made automatically."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.records import Claim, Component, Verdict
from tests.auditor.verdicts.samples import EXACT, TWIN, heads, judged, noisy, scores, variant

BASE = noisy([2.0, 1.5, 1.0, 0.5], spread=0.2)
OTHER = noisy([1.5, 2.0, 1.0, 0.5], spread=0.2, seed=1)
STABLE, UNSTABLE, INCONCLUSIVE = Verdict.STABLE, Verdict.UNSTABLE, Verdict.INCONCLUSIVE


def _verdict(kind: str, parameters: dict[str, object], head: int = 0) -> Verdict:
    claim = Claim("scores", kind, heads(4)[head], "written", parameters)
    found = judged(scores(BASE), [(variant(EXACT), scores(BASE)), (variant(), scores(OTHER))], claims=[claim])
    assert found[kind, f"L0H{head}", EXACT].verdict is STABLE
    return found[kind, f"L0H{head}", TWIN].verdict


@pytest.mark.parametrize(
    ("kind", "parameters", "expected"),
    [
        ("rank", {"top": 1}, UNSTABLE),
        ("rank", {"top": 2}, STABLE),
        ("set", {"members": ["L0H0", "L0H1"]}, STABLE),
        ("set", {"members": ["L0H0", "L0H1", "L0H2"]}, STABLE),
        ("predicate", {"threshold": 1.2, "above": True}, STABLE),
        ("predicate", {"threshold": 1.8, "above": True}, UNSTABLE),
        ("value", {"score": 2.05}, UNSTABLE),
        ("value", {}, UNSTABLE),
    ],
)
def test_claims_are_judged_as_written(kind: str, parameters: dict[str, object], expected: Verdict) -> None:
    assert _verdict(kind, parameters) is expected


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (Claim("scores", "value", Component(3, head=9), "", {}), "scores has no score for L3H9"),
        (Claim("scores", "set", heads(4)[0], "", {"members": ["L0H0", "L9H9"]}), "scores has no score for L9H9"),
        (Claim("scores", "rank", heads(4)[1], "", {"top": 1}), "false for the original"),
        (Claim("scores", "set", heads(4)[0], "", {"members": ["L0H0", "L0H2"]}), "false for the original"),
        (Claim("scores", "predicate", heads(4)[3], "", {"threshold": 1.0, "above": True}), "false for the original"),
        (Claim("scores", "value", heads(4)[0], "", {"score": 3.0}), "the original scores 2.02"),
        (Claim("scores", "rank", heads(4)[1], "", {"top": 4}), "4 of 4 components make no order"),
        (Claim("scores", "pattern", heads(4)[0], "", {}), ""),
    ],
)
def test_a_claim_that_does_not_hold_on_the_original_is_undefined(claim: Claim, reason: str) -> None:
    for finding in judged(scores(BASE), [(variant(), scores(OTHER))], claims=[claim]).values():
        if reason:
            assert (finding.verdict, finding.effect, finding.p) == (INCONCLUSIVE, None, None)
            assert finding.reason.startswith("undefined: ")
        assert reason in finding.reason


def test_a_claim_too_close_to_call_on_the_original_gives_how_many_sequences_it_needs() -> None:
    claim = Claim("scores", "predicate", heads(4)[0], "", {"threshold": 1.999, "above": True})
    base = noisy([2.0, 1.0], 40, spread=0.3)
    base[:, 0] += 2.01 - base[:, 0].mean()
    found = judged(scores(base), [(variant(), scores(base))], claims=[claim])["predicate", "L0H0", TWIN]
    assert "not resolved by 40 sequences" in found.reason
    assert found.needed_sequences is not None
    assert found.needed_sequences > 1_000
    assert found.p is None


def test_a_method_without_sequences_is_judged_as_it_stands() -> None:
    claim = Claim("scores", "rank", heads(2)[0], "", {"top": 1})
    for other, expected in (([1.1, 1.0], STABLE), ([1.0, 1.1], UNSTABLE)):
        found = judged(scores(np.asarray([2.0, 1.0])), [(variant(), scores(other))], claims=[claim])
        assert found["rank", "L0H0", TWIN].verdict is expected
        assert found["rank", "L0H0", TWIN].p is None


def test_a_second_run_counts_as_noise() -> None:
    """By chance alone the score moves by half: what the twin moves less than that is not held against the claim."""
    base = noisy([2.0, 1.0], spread=0.01)
    claim = Claim("scores", "value", heads(2)[1], "", {})
    twin = scores(base * [1.0, 1.4])
    plain = judged(scores(base), [(variant(), twin)], claims=[claim])["value", "L0H1", TWIN]
    noised = judged(scores(base), [(variant(), twin)], claims=[claim], again=scores(base * [1.0, 1.5]))
    found = noised["value", "L0H1", TWIN]
    assert plain.verdict is UNSTABLE
    assert found.noise_floor == pytest.approx(0.5)
    assert found.verdict is INCONCLUSIVE
