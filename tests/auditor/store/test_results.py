"""What cells write and the conclusion reads: behaviour, variants, interpretations, the report and its findings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import update

from auditor.errors import AmbiguousError, NotFoundError, StoreError
from auditor.records import AuditState, Basis, Cell, Interpretation, NotApplicable, Stage, VariantState, Verdict
from auditor.store import (
    Database,
    FindingFilter,
    StoredAudit,
    add_finding,
    cancel_audit,
    get_audit,
    get_finding,
    list_findings,
    load_behaviour,
    load_interpretation,
    load_interpretations,
    load_report,
    load_variant,
    load_variants,
    load_weights,
    measured_methods,
    save_behaviour,
    save_interpretation,
    save_report,
    save_variant,
    with_twin_of,
)
from auditor.store.schema import interpretation
from tests.auditor.store.samples import BEHAVIOUR, FINDINGS, HEADS, TWIN, finding, report, scores, twin

NewAudit = Callable[..., StoredAudit]


def test_behaviour_is_replaced_not_doubled(database: Database, audit: StoredAudit) -> None:
    with database.transaction() as session:
        assert load_behaviour(session, audit.id) is None
        for said in ("first", "then"):
            save_behaviour(session, audit.id, replace(BEHAVIOUR, scored=said))
        assert load_behaviour(session, audit.id) == replace(BEHAVIOUR, scored="then")
        for missing in (lambda: load_behaviour(session, "a0"), lambda: save_behaviour(session, "a0", BEHAVIOUR)):
            with pytest.raises(NotFoundError, match="no audit 'a0'"):
                missing()


def test_a_variant_comes_back_with_its_weights(database: Database, audit: StoredAudit) -> None:
    with database.transaction() as session:
        stored = save_variant(session, audit.id, twin(), b"twin weights")
        assert stored.weights_sha256 is not None
        assert load_variant(session, audit.id, TWIN) == stored == replace(twin(), weights_sha256=stored.weights_sha256)
        assert load_weights(session, stored.weights_sha256) == b"twin weights"
        with pytest.raises(NotFoundError, match="no variant 'other'"):
            load_variant(session, audit.id, "other")


def test_a_variant_is_replaced_and_keeps_the_order_of_the_plan(database: Database, audit: StoredAudit) -> None:
    outside = twin("a/0", state=VariantState.NOT_APPLICABLE)
    with database.transaction() as session:
        save_variant(session, audit.id, replace(twin(), seed=99))
        save_variant(session, audit.id, outside)
        save_variant(session, audit.id, twin())
        assert load_variants(session, audit.id) == (outside, twin())  # one that no cell builds stands first


def test_scores_come_back_bit_for_bit(database: Database, audit: StoredAudit) -> None:
    plain, holes = scores("zero"), scores("mean", undefined=True)
    with database.transaction() as session:
        save_interpretation(session, audit.id, TWIN, "mean", holes)
        save_interpretation(session, audit.id, TWIN, "mean", scores("mean"))
        save_interpretation(session, audit.id, TWIN, "mean", holes)
        save_interpretation(session, audit.id, "original", "zero", plain)
        save_interpretation(session, audit.id, "original", "mean", NotApplicable("no reference"))
        stored = load_interpretations(session, audit.id)
        assert load_interpretation(session, audit.id, "original", "mean") is None
        one = load_interpretation(session, audit.id, TWIN, "mean")
        known = measured_methods(session, audit.id, "original")
    assert list(stored.scores) == [("original", "zero"), (TWIN, "mean")]
    assert known == {"zero", "mean"}
    assert stored.not_applicable == {("original", "mean"): NotApplicable("no reference")}
    for found, expected in (
        (stored.scores["original", "zero"], plain),
        (stored.scores[TWIN, "mean"], holes),
        (one, holes),
    ):
        assert found is not None
        assert (found.method, found.axes, found.components) == (expected.method, expected.axes, expected.components)
        assert dict(found.undefined) == dict(expected.undefined)
        assert found.values.dtype == np.float64
        np.testing.assert_array_equal(found.values, expected.values)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_score_without_a_value_needs_a_reason(database: Database, audit: StoredAudit, value: float) -> None:
    broken = scores()
    broken.values[1, 0] = value
    with pytest.raises(StoreError, match="L0H0 a score that is not finite"), database.transaction() as session:
        save_interpretation(session, audit.id, "original", "zero", broken)
    infinite = replace(scores(undefined=True), values=np.full((3, 2), np.inf))
    with pytest.raises(StoreError, match="not finite"), database.transaction() as session:
        save_interpretation(session, audit.id, "original", "zero", infinite)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Interpretation("zero", ("sequence", "head"), HEADS, np.zeros((3, 3))), "3 scores along its component axis"),
        (Interpretation("zero", ("head",), HEADS, np.zeros((3, 2))), "names 1 axes for an array of 2"),
    ],
)
def test_scores_that_do_not_fit_their_names_are_refused(
    database: Database, audit: StoredAudit, broken: Interpretation, message: str
) -> None:
    with pytest.raises(StoreError, match=message), database.transaction() as session:
        save_interpretation(session, audit.id, "original", "zero", broken)


def test_no_reason_is_refused(database: Database, audit: StoredAudit) -> None:
    with pytest.raises(StoreError, match="no reason why mean has no scores"), database.transaction() as session:
        save_interpretation(session, audit.id, "original", "mean", NotApplicable(""))


def test_a_method_of_a_group_keeps_its_place_in_the_plan(database: Database, new_audit: NewAudit) -> None:
    cells = (Cell("measure/original", Stage.MEASURE, methods=("z", "a", "m")),)
    audit = new_audit(cells=cells)
    with database.transaction() as session:
        for name in ("a", "m", "z"):
            save_interpretation(session, audit.id, "original", name, scores(name))
        assert [method for _, method in load_interpretations(session, audit.id).scores] == ["z", "a", "m"]


@pytest.mark.parametrize("damage", [b"not zlib", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_damaged_scores_are_refused(database: Database, audit: StoredAudit, damage: bytes) -> None:
    with database.transaction() as session:
        save_interpretation(session, audit.id, "original", "zero", scores())
        session.execute(update(interpretation).values(scores=damage))
        with pytest.raises(StoreError, match=r"scores of zero on original .* are damaged"):
            load_interpretations(session, audit.id)


def test_the_report_and_the_row_agree(database: Database, audit: StoredAudit) -> None:
    with database.transaction() as session:
        saved = save_report(session, audit.id, report())
        row = get_audit(session, audit.id)
        loaded = load_report(session, audit.id)
    assert loaded.to_json() == saved.to_json()
    assert json.dumps(loaded.to_json(), allow_nan=False) == json.dumps(saved.to_json(), allow_nan=False)
    assert row.state is AuditState.DONE
    assert row.finished_at is not None
    assert loaded.audit.finished_at == row.finished_at.isoformat()
    assert loaded.audit.created_at == row.created_at.isoformat()
    assert (loaded.audit.id, loaded.audit.state) == (audit.id, AuditState.DONE)
    assert loaded.findings == FINDINGS


def test_a_report_twice_is_the_second(database: Database, audit: StoredAudit) -> None:
    with database.transaction() as session:
        save_report(session, audit.id, report())
        save_report(session, audit.id, report(FINDINGS[:1]))
        assert [one.finding.id for one in list_findings(session).rows] == [FINDINGS[0].id]
        assert len(load_report(session, audit.id).findings) == 1


def test_a_report_with_an_infinity_stores_nothing(database: Database, audit: StoredAudit) -> None:
    broken = report((finding(1, Verdict.STABLE), finding(2, Verdict.UNSTABLE, effect=float("inf"))))
    with pytest.raises(StoreError, match=r"report\.findings\[1\]\.effect is inf"), database.transaction() as session:
        save_report(session, audit.id, broken)
    with database.transaction() as session:
        assert get_audit(session, audit.id).state is AuditState.QUEUED
        assert list_findings(session).rows == ()


def test_an_audit_without_a_report_gives_the_command_to_type(database: Database, audit: StoredAudit) -> None:
    with database.transaction() as session:
        with pytest.raises(NotFoundError, match=f"is queued and has no report; type `dyck-audit watch {audit.id}`"):
            load_report(session, audit.id)
        cancel_audit(session, audit.id)
        with pytest.raises(NotFoundError, match=f"type `dyck-audit retry {audit.id}`"):
            load_report(session, audit.id)
        with pytest.raises(NotFoundError, match="no audit 'a0'"):
            load_report(session, "a0")


def test_findings_are_searched_by_every_condition(database: Database, new_audit: NewAudit) -> None:
    first, second = new_audit(), new_audit(seed=1)
    with database.transaction() as session:
        save_report(session, first.id, report())
        save_report(session, second.id, report((finding(4, Verdict.UNSTABLE, effect=0.2),)))

        def ids(**conditions: object) -> list[str]:
            return [one.finding.id for one in list_findings(session, FindingFilter(**conditions)).rows]  # type: ignore[arg-type]

        assert ids() == ["f004u", "f001u", "f002s", "f003i"]
        assert ids(limit=2) == ["f004u", "f001u"]
        assert ids(verdict=Verdict.UNSTABLE) == ids(verdict="unstable") == ["f004u", "f001u"]
        assert ids(audit=first.id[:6]) == ["f001u", "f002s", "f003i"]
        assert ids(audit="latest") == ["f004u"]
        assert ids(model="two-heads", method="zero") == ["f001u", "f003i"]
        assert ids(model="other") == ids(equivalence="other") == ids(layer=1) == []
        assert ids(layer=0, head=1) == ["f002s"]
        assert ids(min_effect=0.2) == ["f004u", "f001u"]
        assert ids(claim="value", limit=1) == ["f004u"]
        assert ids(claim="value") == ids()
        assert ids(claim="predicate") == []
        assert ids(basis="theory") == ids()
        assert ids(basis=Basis.INPUT) == ids(invariant=True) == ids(resolved=False) == []
        (strongest,) = list_findings(session, FindingFilter(min_effect=0.9)).rows
        assert (strongest.audit_id, strongest.model_name, strongest.finding) == (first.id, "two-heads", FINDINGS[0])
        known = replace(finding(5, Verdict.STABLE), invariant=True, resolved=True)
        save_report(session, first.id, report((known, replace(known, id="f006s", resolved=False))))
        assert ids(invariant=True) == ["f005s", "f006s"]
        assert ids(invariant=True, resolved=False, limit=1) == ids(resolved=False) == ["f006s"]
        assert ids(invariant=False) == []


def test_a_finding_is_found_by_prefix_and_in_its_audit(database: Database, new_audit: NewAudit) -> None:
    first, second = new_audit(), new_audit(seed=1)
    with database.transaction() as session:
        save_report(session, first.id, report())
        assert get_finding(session, "f002") == (first.id, FINDINGS[1])
        with pytest.raises(AmbiguousError, match="f001u, f002s, f003i"):
            get_finding(session, "f")
        with pytest.raises(NotFoundError, match="no finding matches 'f9'"):
            get_finding(session, "f9")
        save_report(session, second.id, report((FINDINGS[1], replace(FINDINGS[1], id="f002sx"))))
        assert get_finding(session, "f002s")[0] == second.id, "the newest of two audits that share it"
        assert get_finding(session, f"{second.id}/f002s") == (second.id, FINDINGS[1])
        assert get_finding(session, "f002s", audit=first.id) == (first.id, FINDINGS[1])
        assert get_finding(session, "f001", audit=first.id[:-1])[0] == first.id


def test_a_finding_of_an_attack_joins_those_of_the_report_which_stays(database: Database, audit: StoredAudit) -> None:
    attacked = twin("behavioural_adversarial_method/claim-0")
    found = replace(finding(77, Verdict.UNSTABLE), worst_variant=attacked.key)
    with database.transaction() as session:
        with pytest.raises(NotFoundError, match="no audit 'a0'"):
            add_finding(session, "a0", found)
        stored = save_report(session, audit.id, report())
        for effect in (0.2, 0.3):  # a second time replaces the first
            add_finding(session, audit.id, replace(found, effect=effect))
        listed = [one.finding for one in list_findings(session, FindingFilter(audit=audit.id)).rows]
        assert listed == [*stored.findings, replace(found, effect=0.3)]
        assert get_finding(session, found.id) == (audit.id, replace(found, effect=0.3))
        kept = load_report(session, audit.id)
        assert kept == stored
        with pytest.raises(NotFoundError, match="no variant"):
            with_twin_of(session, kept, found)
        built = save_variant(session, audit.id, attacked, b"twin weights")
        assert with_twin_of(session, kept, found).variants == (*stored.variants, built)
        assert with_twin_of(session, kept, stored.findings[0]) is kept
