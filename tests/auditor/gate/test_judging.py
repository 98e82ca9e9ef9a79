"""How claims stand: stable, unstable, false or undecided, and what the pipeline of a gate computes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditor.contracts import equivalences
from auditor.gate.claims_file import Entry, Role
from auditor.gate.judging import Checked, Outcome, check, plan_for
from auditor.gate.statements import claim_of, component_named
from auditor.plans.plan import PLANS
from auditor.records import ORIGINAL, Interpretation, Kind, NotApplicable, Variant, VariantState
from auditor.seeds import numpy_generator
from auditor.stages.conclude import Results
from tests.auditor.store.samples import BEHAVIOUR
from tests.auditor.verdicts.samples import heads

METHOD = "ablation_head_mean"
EXACT, TWIN = "exact_head_permutation", "behavioural_adversarial_attention"
PLAN = replace(PLANS["quick"], bootstrap_draws=1_999)


def entry(statement: str, component: str = "L0H0", *, survives: tuple[str, ...] = ("exact",)) -> Entry:
    claim = claim_of(component_named(component), statement, METHOD)
    return Entry(claim, claim.text, survives, Role.PRIMARY, None, 1)


def scores(means: list[float], *, spread: float = 0.05, seed: int = 0) -> Interpretation:
    noise = numpy_generator(seed, "gate").normal(size=(100, len(means)))
    return Interpretation(METHOD, ("sequence", "head"), heads(len(means)), np.asarray(means) + spread * noise)


def results(exact: list[float], twin: list[float] | None = None) -> Results:
    """The original scores 1, 0.5, 0.1; an exact variant and a twin as given."""
    variants = [Variant(f"{EXACT}/0", EXACT, Kind.EXACT, 0, VariantState.CERTIFIED)]
    found = {(ORIGINAL, METHOD): scores([1.0, 0.5, 0.1]), (f"{EXACT}/0", METHOD): scores(exact)}
    if twin is not None:
        variants.append(Variant(f"{TWIN}/0", TWIN, Kind.BEHAVIOURAL, 0, VariantState.CERTIFIED))
        found[f"{TWIN}/0", METHOD] = scores(twin, seed=1)
    else:
        variants.append(Variant(f"{TWIN}/0", TWIN, Kind.BEHAVIOURAL, 0, VariantState.NOT_CERTIFIED, "KL 3e-3"))
    return Results(
        BEHAVIOUR, tuple(variants), found, {("original", "probe_depth"): NotApplicable("no residual stream")}
    )


def outcome(given: Entry, found: Results) -> Checked:
    (checked,) = check([given], found, PLAN, 0, "a")
    return checked


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("top-1", Outcome.STABLE),
        (">= 0.9", Outcome.STABLE),
        ("set of L0H0, L0H1", Outcome.STABLE),
        ("= 1.02", Outcome.STABLE),
        ("= 2", Outcome.FALSE),
        (">= 1.5", Outcome.FALSE),
        ("< 0.5", Outcome.FALSE),
        ("set of L0H0, L0H2", Outcome.FALSE),
    ],
)
def test_a_claim_that_holds_on_the_same_scores_is_stable_and_a_wrong_one_false(
    statement: str, expected: Outcome
) -> None:
    assert outcome(entry(statement), results([1.0, 0.5, 0.1])).outcome is expected


def test_an_exact_variant_overturns_and_is_named() -> None:
    found = outcome(entry("top-1"), results([0.4, 0.5, 0.1]))
    assert (found.outcome, found.reason) == (Outcome.UNSTABLE, f"overturned by {EXACT}/0")


def test_only_what_the_claim_must_survive_counts() -> None:
    moved = results([1.0, 0.5, 0.1], [0.1, 0.9, 0.5])
    assert outcome(entry("top-1"), moved).outcome is Outcome.STABLE
    assert outcome(entry("top-1", survives=("exact", "behavioural")), moved).outcome is Outcome.UNSTABLE
    assert outcome(entry("top-1", survives=(TWIN,)), moved).outcome is Outcome.UNSTABLE


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (entry("top-1", survives=("exact", "behavioural")), "behavioural_adversarial_attention: KL 3e-3"),
        (entry("top-1", survives=("input",)), "the audit made no such variant"),
        (entry("top-1", component="L7H0"), "ablation_head_mean has no score for L7H0"),
        (entry("top-3"), "3 of 3 components make no order"),
    ],
)
def test_what_cannot_be_decided_is_no_pass_and_has_a_reason(given: Entry, why: str) -> None:
    found = outcome(given, results([1.0, 0.5, 0.1]))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert why in found.reason


def test_a_method_that_was_not_run_or_does_not_apply_is_undecided() -> None:
    for method, why in (("attention_stack_top", "did not run it"), ("probe_depth", "no residual stream")):
        claim = claim_of(component_named("L0H0"), "top-1", method)
        found = outcome(Entry(claim, claim.text, ("exact",), Role.PRIMARY, None, 1), results([1.0, 0.5, 0.1]))
        assert (found.outcome, why in found.reason) == (Outcome.INCONCLUSIVE, True)


def test_the_plan_of_a_gate_computes_what_the_claims_name_and_nothing_else() -> None:
    plan = plan_for([entry("top-1", survives=(TWIN,)), entry(">= 0.5", survives=(EXACT,))], PLANS["quick"])
    assert (plan.methods, set(plan.equivalences)) == ((METHOD,), {EXACT, TWIN})
    kinds = plan_for([entry("top-1")], PLANS["quick"])
    assert {equivalences()[name].kind for name in kinds.equivalences} == {Kind.EXACT}
    assert "exact_value_bias_shift" in kinds.equivalences
