"""An attack overturns a claim that exact moves leave alone, and none that its model is built to keep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from auditor import load
from auditor.canonical.model import CanonicalTransformer
from auditor.exports.witness import verify_witness
from auditor.gate.attack import Export, attack_claims, exporter
from auditor.gate.claims_file import Entry, Role
from auditor.gate.judging import Checked, Outcome, plan_for
from auditor.gate.statements import claim_of, component_named
from auditor.pipeline import audit
from auditor.plans.plan import PLANS
from auditor.records import Expected, Finding, Kind, Variant, VariantState, Verdict
from auditor.stages.attack import Attacked
from auditor.stages.build import Built
from auditor.zoo import path
from tests.auditor.small_audits import small_model

PLAN = replace(PLANS["quick"], certificate_sequences=1_000, behaviour_sequences=100, bootstrap_draws=1_999)


def _never(_attacked: Attacked) -> Path:
    raise AssertionError("there is no witness")


def _standing(component: str, statement: str, method: str | None, role: Role = Role.PRIMARY) -> Checked:
    claim = claim_of(component_named(component), statement, method)
    return Checked(Entry(claim, "c", ("exact",), role, None, 1), Outcome.STABLE, "held", ())


def _attacked(
    model: CanonicalTransformer,
    one: Checked,
    budget: int,
    export: Export = _never,
    plan=PLAN,  # type: ignore[no-untyped-def]
) -> Checked:
    (found,) = attack_claims([one], model, plan, 0, budget=budget, export=export)
    return found


@pytest.mark.slow
def test_a_claim_that_exact_moves_keep_is_overturned_and_its_witness_is_verified(tmp_path: Path) -> None:
    model = load(path("dyck2x4-2layer-2head"))
    one = _standing("L1H1", ">= 0.3", "attention_stack_top")
    plan = replace(plan_for([one.entry], PLAN), equivalences=("exact_head_permutation",))
    report = audit(model, plan)
    assert report.summary.unstable == 0
    found = _attacked(model, one, 600, exporter(report, model, plan, tmp_path), plan)
    assert found.outcome is Outcome.UNSTABLE
    assert found.attack is not None
    assert found.attack.attacked is not None
    assert found.attack.attacked.built.variant.certificate is not None
    assert found.attack.attacked.spent <= 600
    assert found.attack.witness is not None
    again = verify_witness(Path(found.attack.witness))
    assert again.passed, again.checks
    assert not again.finding.claim.parameters["threshold"] < 0.3


@pytest.mark.slow
def test_attention_that_is_forced_survives() -> None:
    found = _attacked(load(path("dyck2x4-2layer-constructed")), _standing("L1H0", ">= 0.5", "attention_stack_top"), 300)
    assert found.outcome is Outcome.STABLE
    assert "survived an attack of 300 optimiser steps" in found.reason


@pytest.mark.slow
def test_an_attack_that_destroys_the_model_is_no_witness() -> None:
    """The stream after the last layer is what the outputs are read from: to move it is to move them."""
    found = _attacked(load(path("dyck2x4-1layer-minimal")), _standing("L0.residual", ">= -0.01", "logit_lens"), 200)
    assert found.outcome is Outcome.STABLE
    assert "no twin was certified" in found.reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("component", "statement"),
    [
        ("L1H0", "reads most from L0H1 by weights_composition_v"),
        ("circuit of L0H0, L1H0", "faithful >= 0.6"),
        ("some head", ">= 0.25 by attention_stack_top"),
    ],
)
def test_claims_about_edges_circuits_and_some_head_are_overturned(component: str, statement: str) -> None:
    one, written = _standing(component, statement, None), []

    def export(attacked: Attacked) -> Path:
        written.append(attacked)
        return Path("witness")

    found = _attacked(load(path("dyck2x4-2layer-2head")), one, 900, export)
    assert found.outcome is Outcome.UNSTABLE, found.reason
    (attacked,) = written
    assert attacked.is_certified
    assert attacked.spent <= 900


BY_BOTH = "by attention_stack_top and by direct_logit_head"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("component", "statement"),
    [
        ("L1H1", ">= 0.25 by attention_stack_top and by attention_start_mass"),
        ("all heads", "agree on the top 2 by attention_previous_token and by attention_matching_opener"),
    ],
)
def test_a_claim_by_two_methods_is_overturned_and_its_witness_is_verified(
    component: str, statement: str, tmp_path: Path
) -> None:
    model, one = load(path("dyck2x4-2layer-2head")), _standing(component, statement, None)
    plan = replace(plan_for([one.entry], PLAN), equivalences=("exact_head_permutation",))
    report = audit(model, plan)
    found = _attacked(model, one, 600, exporter(report, model, plan, tmp_path), plan)
    assert found.outcome is Outcome.UNSTABLE, found.reason
    assert found.attack is not None
    attacked = found.attack.attacked
    assert attacked is not None
    assert attacked.quantity == "shortfall"
    assert attacked.twin is not None
    assert attacked.original < 0 < attacked.twin
    again = verify_witness(Path(found.attack.witness or ""))
    assert again.passed, again.checks
    assert again.finding.claim.methods == one.entry.claim.methods


@pytest.mark.slow
@pytest.mark.parametrize(("component", "statement"), [("L1H0", "top-1"), ("all heads", "agree on the top 1")])
def test_what_two_methods_say_of_a_forced_head_survives(component: str, statement: str) -> None:
    """The first layer counts and the second reads the open bracket: no other head can lead by either method."""
    one = _standing(component, f"{statement} {BY_BOTH}", None)
    found = _attacked(load(path("dyck2x4-2layer-constructed")), one, 200)
    assert found.outcome is Outcome.STABLE
    assert found.attack is not None
    assert found.attack.attacked is not None
    assert found.attack.attacked.original < 0
    assert "survived an attack of 200 optimiser steps" in found.reason


def test_what_cannot_be_attacked_is_undecided() -> None:
    found = _attacked(load(path("dyck2x4-2layer-2head")), _standing("L0H0", "top-1", "faithfulness_infidelity"), 10)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.reason.startswith("not attacked: no twin can be trained against faithfulness_infidelity")


@pytest.mark.parametrize(
    ("verdict", "outcome", "said"),
    [
        (Verdict.STABLE, Outcome.STABLE, "held; survived an attack of 7 optimiser steps: score 0.5 → 0.45"),
        (
            Verdict.INCONCLUSIVE,
            Outcome.INCONCLUSIVE,
            "held; neither overturned nor safe after an attack of 7 optimiser steps: score 0.5 → 0.45; too few",
        ),
    ],
)
def test_a_claim_that_is_open_on_the_attacking_twin_is_undecided(
    verdict: Verdict, outcome: Outcome, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = _standing("L0H0", ">= 0.4", "ablation_head_mean")
    twin = Variant("v/0", "v", Kind.BEHAVIOURAL, 0, VariantState.CERTIFIED, parameters={"spent_steps": 7})
    finding = Finding(
        id="f",
        claim=one.entry.claim,
        equivalence="v",
        kind=Kind.BEHAVIOURAL,
        variants=("v/0",),
        effect=-0.05,
        interval=None,
        noise_floor=None,
        threshold=0.0,
        p=None,
        q=None,
        verdict=verdict,
        expected=Expected.OPEN,
        worst_variant="v/0",
        reason="too few",
    )
    best = Attacked(one.entry.claim, Built(twin, None), "score", 0.5, 0.45, finding)
    monkeypatch.setattr("auditor.gate.attack.attack_claim", lambda *_given, **_named: best)
    found = _attacked(small_model(), one, 10)
    assert (found.outcome, found.reason) == (outcome, said)


def test_exploratory_claims_are_not_attacked() -> None:
    one = _standing("L0H0", "top-1", "ablation_head_mean", Role.EXPLORATORY)
    assert _attacked(load(path("dyck2x4-2layer-2head")), one, 10) is one
