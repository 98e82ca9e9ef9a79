"""Looking again at what is undecided: the error that is spent, and what is asked again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditor.plans.looks import later_plan, times_more
from auditor.plans.plan import PLANS
from auditor.records import Verdict
from auditor.seeds import numpy_generator
from auditor.verdicts.sequential import MOST_LOOKS, is_open, open_claims, share_of_look, still_asked
from tests.auditor.verdicts.samples import EXACT, SETTINGS, TWIN, judged, noisy, scores, variant

BASE = noisy([2.0, 1.99], 60, spread=0.5)
FOUND = judged(scores(BASE), [(variant(EXACT), scores(BASE)), (variant(), scores(BASE + 0.001))])
OPEN = [finding for finding in FOUND.values() if finding.verdict is Verdict.INCONCLUSIVE]


def test_all_looks_together_spend_no_more_than_one_test() -> None:
    shares = [share_of_look(look) for look in range(1, MOST_LOOKS + 1)]
    assert sum(shares) < 1
    assert shares[0] == 0.5
    assert share_of_look(0) == 1


def test_a_look_of_several_has_a_wider_interval_than_the_only_one() -> None:
    def width(look: int) -> float:
        found = judged(
            scores(BASE), [(variant(), scores(BASE * 1.05 + noisy([0, 0], 60)))], settings=replace(SETTINGS, look=look)
        )
        interval = found["value", "L0H0", TWIN].interval
        assert interval is not None
        return interval[1]

    assert width(0) < width(1) < width(3)


def test_only_what_more_sequences_may_decide_is_asked_again() -> None:
    assert {finding.claim.kind for finding in OPEN} == {"rank"}
    assert {finding.equivalence for finding in OPEN} == {EXACT, TWIN}
    lost = replace(OPEN[0], effect=None, reason="undefined: no score")
    assert not is_open(lost)
    assert not is_open(replace(OPEN[0], verdict=Verdict.STABLE))
    assert list(open_claims(FOUND.values())) == ["scores"]
    assert open_claims([*OPEN, *OPEN, lost]) == {"scores": (OPEN[0].claim,)}
    only_exact = [finding for finding in OPEN if finding.equivalence == EXACT]
    assert still_asked(FOUND.values(), only_exact) == tuple(only_exact)


def test_a_later_plan_doubles_the_sequences_and_keeps_the_variants() -> None:
    first = replace(PLANS["quick"], look=1)
    second = later_plan(first, FOUND.values(), audit="a1")
    assert (second.sequences, second.look, second.continues) == (2 * first.sequences, 2, "a1")
    assert second.methods == ("scores",)
    assert second.equivalences == first.equivalences
    assert [times_more(plan) for plan in (PLANS["quick"], first, second, later_plan(second, OPEN, audit="b"))] == [
        1,
        1,
        2,
        4,
    ]


@pytest.mark.slow
def test_the_chance_to_be_wrong_at_any_look_is_held() -> None:
    """A value that moves by exactly Δ, looked at four times while it is undecided."""
    wrong, trials = 0, 150
    for trial in range(trials):
        generator = numpy_generator(trial, "looks")
        base = generator.lognormal(sigma=0.4, size=(800, 2))
        other = base * 1.1 + 0.3 * generator.normal(size=base.shape)
        for look in (1, 2, 3, 4):
            rows = slice(0, 100 * 2 ** (look - 1))
            settings = replace(SETTINGS, look=look, claims=("value",))
            found = judged(scores(base[rows]), [(variant(), scores(other[rows]))], settings=settings)
            verdict = found["value", "L0H0", TWIN].verdict
            if verdict is not Verdict.INCONCLUSIVE:
                wrong += 1
                break
    allowed = 0.05
    assert wrong / trials <= allowed + 3 * np.sqrt(allowed * (1 - allowed) / trials)
