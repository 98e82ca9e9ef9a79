"""Verdicts on made-up scores: each of the three ways, and every way a score can be missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditor.records import ORIGINAL, Expected, Interpretation, Kind, Relabelling, VariantState, Verdict
from auditor.seeds import numpy_generator
from auditor.verdicts.distances import EXACT_TOLERANCE, SMALLEST_EFFECT
from auditor.verdicts.verdict import Settings, findings_of
from tests.auditor.verdicts.samples import (
    EXACT,
    PATTERN,
    SCALAR,
    SETTINGS,
    TWIN,
    judged,
    noisy,
    patterns,
    scores,
    variant,
)

RANK_0, VALUE_0, VALUE_1 = ("rank", "L0H0"), ("value", "L0H0"), ("value", "L0H1")
STABLE, UNSTABLE, INCONCLUSIVE = Verdict.STABLE, Verdict.UNSTABLE, Verdict.INCONCLUSIVE


def test_exact_variants_are_compared_by_rounding_alone() -> None:
    base = scores([[2.0, 1.0]] * 20)
    for factor, verdict in ((1 + 1e-10, STABLE), (1 + 1e-7, UNSTABLE)):
        found = judged(base, [(variant(EXACT), scores(base.values * factor))])
        assert found[(*VALUE_0, EXACT)].verdict is verdict
        assert found[(*VALUE_0, EXACT)].threshold == EXACT_TOLERANCE
        assert found[(*RANK_0, EXACT)].verdict is STABLE
        assert all(f.p is None and f.q is None and f.interval is None for f in found.values())


def test_one_exact_variant_overturns_and_is_the_witness() -> None:
    base = scores([2.0, 1.0])
    others = [(variant(EXACT, 0), scores([2.0, 1.0])), (variant(EXACT, 1), scores([1.0, 2.0]))]
    found = judged(base, others)[(*RANK_0, EXACT)]
    assert (found.verdict, found.worst_variant, found.effect) == (UNSTABLE, f"{EXACT}/1", 0.5)
    assert found.variants == (f"{EXACT}/0", f"{EXACT}/1")


def test_a_relabelling_is_undone_before_comparing() -> None:
    swapped = Relabelling({"head": ((1,), (0,))})
    found = judged(scores([2.0, 1.0]), [(variant(EXACT, relabelling=swapped), scores([1.0, 2.0]))])
    assert {f.verdict for f in found.values()} == {STABLE}


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, STABLE), (1.02, STABLE), (1.5, UNSTABLE), (0.5, UNSTABLE), (1.105, INCONCLUSIVE)]
)
def test_a_value_moves_by_less_or_more_than_a_tenth_or_is_undecided(factor: float, verdict: Verdict) -> None:
    """Paired scores: the twin's are the original's times a factor, plus noise of its own."""
    base = noisy([2.0, 1.0], spread=0.2)
    other = base * [factor, 1.0] + 0.1 * numpy_generator(5, "own").normal(size=base.shape)
    found = judged(scores(base), [(variant(), scores(other))])[(*VALUE_0, TWIN)]
    assert found.verdict is verdict
    assert found.interval is not None
    assert found.effect is not None
    assert found.noise_floor is not None
    assert found.interval[0] <= found.effect <= found.interval[1]
    assert found.effect == pytest.approx(abs(other.mean(0)[0] - base.mean(0)[0]) / base.mean(0)[0], abs=1e-12)
    assert found.threshold == SMALLEST_EFFECT["value"]


def test_an_inconclusive_finding_gives_how_many_sequences_would_decide() -> None:
    base = noisy([2.0, 1.0], spread=0.2)
    other = base * [1.105, 1.0] + 0.1 * numpy_generator(5, "own").normal(size=base.shape)
    found = judged(scores(base), [(variant(), scores(other))])[(*VALUE_0, TWIN)]
    assert found.interval is not None
    assert found.effect is not None
    moved = found.effect
    assert moved > 0.1 > found.interval[0]
    expected = int(np.ceil(100 * ((moved - found.interval[0]) / (moved - 0.1)) ** 2))
    assert found.needed_sequences == max(101, expected)
    assert "spans" in found.reason


def test_ranks_swap_hold_or_stay_open() -> None:
    base = scores(noisy([2.0, 1.0]))
    cases = {UNSTABLE: [1.0, 2.0], STABLE: [2.0, 1.0], INCONCLUSIVE: [1.5, 1.5]}
    for verdict, means in cases.items():
        found = judged(base, [(variant(), scores(noisy(means, seed=2)))])[(*RANK_0, TWIN)]
        assert found.verdict is verdict


def test_a_ranking_that_the_original_does_not_resolve_overturns_nothing() -> None:
    base = scores(noisy([1.005, 1.0], 30, spread=0.5))
    top = f"L0H{int(np.argmax(base.values.mean(0)))}"
    swapped = scores(base.values[:, ::-1])
    found = judged(base, [(variant(), swapped)])["rank", top, TWIN]
    assert found.verdict is INCONCLUSIVE
    assert "not resolved by 30 sequences" in found.reason
    assert found.p is None


def test_a_claim_survives_only_if_the_original_resolves_it_also_under_exact_moves() -> None:
    """What no move changes may still be chance: two heads that 30 noisy sequences do not tell apart."""
    base = scores(noisy([1.005, 1.0], 30, spread=0.5))
    found = next(f for key, f in judged(base, [(variant(EXACT), base)]).items() if key[0] == "rank")
    assert (found.invariant, found.resolved, found.verdict) == (True, False, INCONCLUSIVE)
    assert "invariant, but" in found.reason
    assert found.needed_sequences is None or found.needed_sequences > 30
    apart = judged(scores(noisy([2.0, 1.0], 30)), [(variant(EXACT), scores(noisy([2.0, 1.0], 30)))])[(*RANK_0, EXACT)]
    assert (apart.invariant, apart.resolved, apart.verdict) == (True, True, STABLE)


def test_what_an_exact_move_overturns_is_unstable_whether_resolved_or_not() -> None:
    base = scores(noisy([1.005, 1.0], 30, spread=0.5))
    top = int(np.argmax(base.values.mean(0)))
    moved = scores(base.values - 9.0 * (np.arange(2) == top))
    found = judged(base, [(variant(EXACT), moved)])["rank", f"L0H{top}", EXACT]
    assert (found.invariant, found.resolved, found.verdict) == (False, False, UNSTABLE)


def test_one_twin_suffices_to_overturn_and_all_must_agree_to_hold() -> None:
    base = noisy([2.0, 1.0])
    others = [(variant(TWIN, 0), scores(base)), (variant(TWIN, 1), scores(base * 2))]
    found = judged(scores(base), others)[(*VALUE_0, TWIN)]
    assert (found.verdict, found.worst_variant) == (UNSTABLE, f"{TWIN}/1")
    assert found.p == 1 / 2_000  # the smallest of 1,999 draws: the worst of both twins is resampled as such
    assert found.mean_effect == pytest.approx(0.5)
    assert found.mean_interval is not None
    low, high = found.mean_interval
    assert low < 0.1  # both draws are of the twin that did not move
    assert high > 0.9


def _random_patterns(seed: int, sequences: int = 20) -> np.ndarray:
    generator = numpy_generator(seed, "patterns")
    return generator.dirichlet(np.ones(4), size=(sequences, 2, 4))


def test_patterns_that_differ_by_a_tenth_of_the_mass() -> None:
    base = _random_patterns(0)
    near = 0.9 * base + 0.1 * _random_patterns(1)
    others = [(variant(), patterns(np.stack([near[:, 0], _random_patterns(2)[:, 1]], axis=1)))]
    found = judged(patterns(base), others, card=PATTERN)
    assert found["pattern", "L0H0", TWIN].verdict is STABLE
    assert found["pattern", "L0H1", TWIN].verdict is UNSTABLE
    exact = judged(patterns(base), [(variant(EXACT), patterns(base.copy()))], card=PATTERN)
    assert {(f.verdict, f.effect) for f in exact.values()} == {(STABLE, 0.0)}


def test_the_order_of_the_sequences_changes_no_verdict() -> None:
    base, other = noisy([2.0, 1.0, 0.5]), noisy([2.0, 1.5, 0.9], seed=3)
    order = numpy_generator(0, "order").permutation(100)
    plain = judged(scores(base), [(variant(), scores(other))])
    mixed = judged(scores(base[order]), [(variant(), scores(other[order]))])
    assert len({f.verdict for f in plain.values()}) > 1
    for key, finding in plain.items():
        assert mixed[key].verdict is finding.verdict
        assert mixed[key].id == finding.id


def test_ids_differ_by_claim_equivalence_and_audit() -> None:
    base = scores(noisy([2.0, 1.0]))
    found = judged(base, [(variant(EXACT), base), (variant(TWIN), base)])
    ids = [f.id for f in found.values()]
    assert len(ids) == 6 == len(set(ids))
    again = findings_of(
        "another audit",
        {SCALAR.name: SCALAR},
        [variant(EXACT)],
        {(ORIGINAL, "scores"): base, (f"{EXACT}/0", "scores"): base},
        original=ORIGINAL,
        settings=SETTINGS,
    )
    assert not {f.id for f in again} & set(ids)


def test_the_same_seed_gives_the_same_findings() -> None:
    base, other = scores(noisy([2.0, 1.0])), scores(noisy([2.1, 1.0], seed=1))
    assert judged(base, [(variant(), other)]) == judged(base, [(variant(), other)])
    elsewhere = judged(base, [(variant(), other)], settings=replace(SETTINGS, seed=1))
    assert elsewhere[(*VALUE_0, TWIN)].interval != judged(base, [(variant(), other)])[(*VALUE_0, TWIN)].interval


def test_nine_claims_must_pass_together() -> None:
    """What overturns a claim when it is the only one does not when eight others were tried and held."""
    base = noisy([2.0, *np.linspace(1.9, 1.5, 7)], 200, spread=0.05)
    other = base.copy()
    other[:, 0] = base[:, 0] * 1.101 + 0.18 * numpy_generator(3, "odd").normal(size=200)
    alone = judged(scores(base[:, :1]), [(variant(), scores(other[:, :1]))])[(*VALUE_0, TWIN)]
    among = judged(scores(base), [(variant(), scores(other))])[(*VALUE_0, TWIN)]
    assert alone.p is not None
    assert among.p is not None
    assert (alone.verdict, alone.q) == (UNSTABLE, alone.p)
    assert among.p == pytest.approx(alone.p, abs=0.003)  # other draws: the sequences are sorted by all scores
    assert among.q == pytest.approx(9 * among.p)
    assert among.verdict is INCONCLUSIVE
    assert "among 9 claims tested" in among.reason


def test_a_variant_that_is_not_certified_has_no_say() -> None:
    base = scores(noisy([2.0, 1.0]))
    for state in (VariantState.NOT_CERTIFIED, VariantState.NOT_APPLICABLE):
        assert judged(base, [(replace(variant(), state=state), scores(noisy([0.0, 9.0])))]) == {}


def test_a_component_without_a_counterpart_leaves_the_others_judged() -> None:
    moves = Relabelling({"head": ((0,), None, (2,))})
    base = scores(noisy([2.0, 1.0, 0.5]))
    found = judged(base, [(variant(TWIN, relabelling=moves), scores(base.values)), (variant(EXACT), base)])
    lost = found[(*VALUE_1, TWIN)]
    assert (lost.verdict, lost.effect) == (INCONCLUSIVE, None)
    assert "0 components of the variant stand for L0H1" in lost.reason
    assert found[(*VALUE_0, TWIN)].verdict is STABLE
    assert found["value", "L0H2", TWIN].verdict is STABLE
    assert found[(*RANK_0, TWIN)].verdict is INCONCLUSIVE
    assert found[(*VALUE_1, EXACT)].verdict is STABLE


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["original", "variant"])
@pytest.mark.parametrize("equivalence", [EXACT, TWIN])
def test_a_score_that_is_not_finite_is_a_reason_and_no_number(bad: float, where: str, equivalence: str) -> None:
    good = noisy([2.0, 1.0])
    broken = good.copy()
    broken[0, 1] = bad
    base, other = (broken, good) if where == "original" else (good, broken)
    found = judged(scores(base), [(variant(equivalence), scores(other))])
    for finding in found.values():
        assert (finding.verdict, finding.effect, finding.p) == (INCONCLUSIVE, None, None)
        assert "not finite" in finding.reason


def test_one_sequence_decides_exact_claims_only() -> None:
    base = scores([[2.0, 1.0]])
    found = judged(base, [(variant(EXACT), base), (variant(TWIN), base)])
    assert found[(*VALUE_0, EXACT)].verdict is STABLE
    assert found[(*VALUE_0, TWIN)].verdict is INCONCLUSIVE
    assert "at least 20 sequences, and there are 1" in found[(*VALUE_0, TWIN)].reason


def test_scores_of_other_sequences_are_not_compared() -> None:
    found = judged(scores(noisy([2.0, 1.0], 50)), [(variant(), scores(noisy([2.0, 1.0], 49)))])
    assert all("other sequences" in f.reason for f in found.values())


@pytest.mark.parametrize("level", [0.0, 0.7])
def test_constant_scores_are_stable_against_themselves(level: float) -> None:
    """Thirty-six are the fewest that leave less than a tenth of all sequences unseen."""
    for sequences, twin in ((36, STABLE), (35, INCONCLUSIVE)):
        base = scores(np.full((sequences, 2), level))
        found = judged(base, [(variant(EXACT), base), (variant(TWIN), base)])
        assert {f.claim.kind for f in found.values()} == {"value"}
        assert {(f.kind, f.verdict, f.effect) for f in found.values()} == {
            (Kind.EXACT, STABLE, 0.0),
            (Kind.BEHAVIOURAL, twin, 0.0),
        }


def test_constant_scores_that_move_are_unstable() -> None:
    found = judged(scores(np.full((20, 2), 1.0)), [(variant(), scores(np.full((20, 2), 2.0)))])
    assert {f.verdict for f in found.values()} == {UNSTABLE}


def test_scores_of_weights_are_compared_without_sampling() -> None:
    found = judged(scores([2.0, 1.0]), [(variant(), scores([2.1, 1.5]))])
    assert found[(*VALUE_0, TWIN)].verdict is STABLE
    assert found[(*VALUE_1, TWIN)].verdict is UNSTABLE
    assert all(f.p is None for f in found.values())


def test_what_moves_against_theory_is_a_defect_of_the_method() -> None:
    card = replace(SCALAR, expected={EXACT: Expected.INVARIANT})
    found = judged(scores([2.0, 1.0]), [(variant(EXACT), scores([1.0, 2.0]))], card=card)
    assert all(f.contradicts_theory for f in found.values())
    assert {f.expected for f in found.values()} == {Expected.INVARIANT}


def test_findings_come_in_a_fixed_order_whatever_the_order_of_the_scores() -> None:
    base = scores(noisy([2.0, 1.0]))
    kinds = [variant(EXACT), variant(TWIN)]
    table: dict[tuple[str, str], Interpretation] = {(v.key, "scores"): base for v in kinds}
    table[ORIGINAL, "scores"] = base

    def found(entries: dict[tuple[str, str], Interpretation]) -> list[str]:
        settings = Settings(draws=99, alpha=0.05, seed=0)
        return [
            f.id for f in findings_of("a", {SCALAR.name: SCALAR}, kinds, entries, original=ORIGINAL, settings=settings)
        ]

    assert found(table) == found(dict(reversed(table.items())))
    assert {v.kind for v in kinds} == {Kind.EXACT, Kind.BEHAVIOURAL}
