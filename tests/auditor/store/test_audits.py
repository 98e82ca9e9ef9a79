"""Creating audits, finding the same request again, and the history."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest

from auditor.errors import FilterError, NotFoundError, StoreError
from auditor.records import ALL_OTHERS, AuditState, Cell, Stage, Verdict
from auditor.store import (
    AuditFilter,
    Database,
    StoredAudit,
    StoredModel,
    cancel_audit,
    count_audits,
    create_audit,
    find_existing_audit,
    get_audit,
    get_blob,
    list_audits,
    remove_audits,
    retry_audit,
    save_report,
)
from tests.auditor.store.samples import CELLS, PLAN, VERSIONS, report

NewAudit = Callable[..., StoredAudit]


def test_a_new_audit_is_queued(audit: StoredAudit) -> None:
    assert audit.state is AuditState.QUEUED
    assert (audit.cells_total, audit.cells_done, audit.cells_failed) == (len(CELLS), 0, 0)
    assert (audit.plan, audit.versions, audit.model_name) == (PLAN, VERSIONS, "two-heads")
    assert audit.started_at is audit.finished_at is audit.headline is audit.error is None


def test_the_same_request_is_found_until_it_fails(database: Database, audit: StoredAudit) -> None:
    reordered = dict(reversed(PLAN.items()))
    with database.transaction() as session:
        request = {"model_id": audit.model_id, "plan": reordered, "seed": 0, "versions": VERSIONS}
        assert find_existing_audit(session, **request) == audit  # type: ignore[arg-type]
        for change in (
            {"seed": 1},
            {"versions": {"dyck-audit": "0.2.0"}},
            {"plan": {"name": "quick"}},
            {"model_id": "m"},
        ):
            assert find_existing_audit(session, **{**request, **change}) is None  # type: ignore[arg-type]
        cancel_audit(session, audit.id)
        assert find_existing_audit(session, **request) is None  # type: ignore[arg-type]
        retry_audit(session, audit.id)
        assert find_existing_audit(session, **request) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([], "0 cells"),
        ([Cell("conclude", Stage.CONCLUDE)] * 2, "2 cells with 1 keys"),
        ([Cell("conclude", Stage.CONCLUDE, needs="behaviour")], "'conclude' needs a cell that is not in the audit"),
    ],
)
def test_cells_that_could_never_end_are_refused(
    database: Database, audit: StoredAudit, cells: list[Cell], message: str
) -> None:
    with pytest.raises(StoreError, match=message), database.transaction() as session:
        create_audit(
            session, model_id=audit.model_id, plan={}, plan_name="x", seed=0, cells=cells, versions={}, label=None
        )
    with database.transaction() as session:
        assert len(list_audits(session).rows) == 1


def test_the_history_filters_and_sorts(database: Database, new_audit: NewAudit) -> None:
    first, second, third = new_audit(), new_audit(plan_name="full", seed=1), new_audit(seed=2)
    with database.transaction() as session:
        save_report(session, first.id, report())
        cancel_audit(session, second.id)

        def ids(**conditions: object) -> list[str]:
            return [one.id for one in list_audits(session, AuditFilter(**conditions)).rows]  # type: ignore[arg-type]

        assert ids() == [third.id, second.id, first.id]
        assert ids(limit=1) == [third.id]
        assert ids(state=AuditState.DONE) == ids(state="done") == [first.id]
        assert ids(plan="full") == [second.id]
        assert ids(verdict=Verdict.UNSTABLE) == ids(verdict="stable") == [first.id]
        assert ids(model="two-heads", state="queued") == ids(model=first.model_id[:4], state="queued") == [third.id]
        assert ids(model="nothing") == ids(model="%") == []
        assert ids(since=second.created_at) == [third.id, second.id]
        assert ids(until=second.created_at) == [first.id]
        assert ids(since=third.created_at + timedelta(seconds=1)) == []
        assert ids(sort="finished") == [second.id, first.id, third.id]
        assert ids(sort="plan") == [second.id, third.id, first.id]
        assert ids(sort="state") == [second.id, first.id, third.id]
        with pytest.raises(FilterError, match="unknown sort 'size'; expected created, finished"):
            AuditFilter(sort="size")
        assert count_audits(session) == {AuditState.DONE: 1, AuditState.CANCELLED: 1, AuditState.QUEUED: 1}
        assert get_audit(session, first.id).headline == "1 of 3 claims does not survive"


def test_a_plan_may_have_a_conclusion_only(database: Database, new_audit: NewAudit) -> None:
    assert new_audit(cells=(Cell("conclude", Stage.CONCLUDE),)).cells_total == 1
    assert new_audit(cells=(Cell("a", Stage.MEASURE), Cell("b", Stage.CONCLUDE, needs=ALL_OTHERS))).cells_total == 2


def test_the_strings_of_an_audit_are_stored_once_and_go_with_the_last_audit_of_them(
    database: Database, stored_model: StoredModel
) -> None:
    with database.transaction() as session:
        first, second = (
            create_audit(
                session,
                model_id=stored_model.id,
                plan=PLAN,
                plan_name="quick",
                seed=seed,
                cells=CELLS,
                versions=VERSIONS,
                strings=b"()",
            ).id
            for seed in (0, 1)
        )
    sha256 = hashlib.sha256(b"()").hexdigest()
    for audit_id in (first, second):
        with database.transaction() as session:
            assert get_blob(session, sha256) == b"()"
            cancel_audit(session, audit_id)
            remove_audits(session, [audit_id])
    with database.transaction() as session, pytest.raises(NotFoundError):
        get_blob(session, sha256)
