"""The life of cells: claim, lease, fence, dependents, failure, reaper, cancel and retry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from auditor.errors import NotFoundError, StoreError
from auditor.records import AuditState
from auditor.store import (
    MAX_ATTEMPTS,
    ClaimedCell,
    Database,
    LostLeaseError,
    StoredAudit,
    cancel_audit,
    cells,
    claim_cell,
    dispatch,
    expired_cells,
    extend_lease,
    fail_cell,
    finish_cell,
    get_audit,
    list_audits,
    load_behaviour,
    load_missing,
    load_report,
    mark_dispatched,
    progress,
    ready_cells,
    retry_audit,
    save_behaviour,
    save_report,
    skip_dependents,
)
from auditor.store.clock import database_now
from auditor.store.schema import cell
from tests.auditor.store.samples import BEHAVIOUR, CELLS, PLAN, TWIN, report

READY_AT_FIRST = ["behaviour", "measure/original/zero", f"build/{TWIN}"]
MEASURES = [f"measure/{TWIN}/zero", f"measure/{TWIN}/mean"]


def _claim(
    database: Database, audit: StoredAudit, key: str, owner: str = "me", lease: float = 60
) -> ClaimedCell | None:
    with database.transaction() as session:
        return claim_cell(session, audit.id, key, owner=owner, lease_seconds=lease)


def _finish(database: Database, audit: StoredAudit, key: str, owner: str = "me") -> list[str]:
    with database.transaction() as session:
        return finish_cell(session, audit.id, key, owner=owner)


def _write_and_finish(database: Database, audit: StoredAudit, owner: str) -> None:
    with database.transaction() as session:
        save_behaviour(session, audit.id, replace(BEHAVIOUR, reason=owner))
        finish_cell(session, audit.id, "behaviour", owner=owner)


def _do(database: Database, audit: StoredAudit, key: str) -> list[str]:
    assert _claim(database, audit, key) is not None
    return _finish(database, audit, key)


def _state(database: Database, audit: StoredAudit) -> StoredAudit:
    with database.transaction() as session:
        return get_audit(session, audit.id)


def _ready(database: Database, **conditions: object) -> list[str]:
    with database.transaction() as session:
        return [key for _, key in ready_cells(session, **conditions)]  # type: ignore[arg-type]


def _fail(database: Database, audit: StoredAudit, key: str) -> list[str]:
    assert _claim(database, audit, key) is not None
    with database.transaction() as session:
        return fail_cell(session, audit.id, key, owner="me", error="x", final=True)


def _conclude(database: Database, audit: StoredAudit) -> None:
    assert _claim(database, audit, "conclude") is not None
    with database.transaction() as session:
        save_report(session, audit.id, report())
        finish_cell(session, audit.id, "conclude", owner="me")


def _end_with_failures(database: Database, audit: StoredAudit) -> None:
    """The twin cannot be built; everything else is done, the conclusion too."""
    _do(database, audit, "behaviour")
    assert _fail(database, audit, f"build/{TWIN}") == []
    assert _do(database, audit, "measure/original/zero") == ["conclude"]
    _conclude(database, audit)


def _expire(database: Database, key: str) -> None:
    with database.transaction() as session:
        moment = database_now(session).replace(year=2000)
        session.execute(update(cell).where(cell.c.key == key).values(lease_until=moment))


def test_a_claim_carries_what_the_worker_needs(database: Database, audit: StoredAudit) -> None:
    claimed = _claim(database, audit, f"build/{TWIN}")
    assert claimed is not None
    assert claimed.cell == CELLS[2]
    assert (claimed.audit_id, claimed.model_id, claimed.plan, claimed.seed) == (audit.id, audit.model_id, PLAN, 0)
    assert (claimed.attempt, claimed.owner) == (1, "me")
    started = _state(database, audit)
    assert started.state is AuditState.RUNNING
    assert started.started_at is not None
    assert _claim(database, audit, "behaviour", "you") is not None
    assert _state(database, audit).started_at == started.started_at


def test_what_cannot_be_claimed_gives_nothing(database: Database, audit: StoredAudit) -> None:
    assert _claim(database, audit, "behaviour") is not None
    assert _claim(database, audit, "behaviour", "you") is None  # under a lease
    assert _claim(database, audit, MEASURES[0]) is None  # waiting
    assert _claim(database, audit, "no such cell") is None
    _finish(database, audit, "behaviour")
    assert _claim(database, audit, "behaviour") is None  # done
    with database.transaction() as session:
        assert claim_cell(session, "no such audit", "behaviour", owner="me", lease_seconds=1) is None


def test_cells_become_ready_in_the_order_of_the_plan(database: Database, audit: StoredAudit) -> None:
    assert _ready(database) == READY_AT_FIRST
    assert _do(database, audit, f"build/{TWIN}") == MEASURES
    assert _do(database, audit, "behaviour") == []
    assert _do(database, audit, "measure/original/zero") == []
    assert _do(database, audit, MEASURES[1]) == []
    assert _do(database, audit, MEASURES[0]) == ["conclude"]
    assert _claim(database, audit, "conclude") is not None
    with database.transaction() as session:
        save_report(session, audit.id, report())
        assert finish_cell(session, audit.id, "conclude", owner="me") == []
    done = _state(database, audit)
    assert done.state is AuditState.DONE
    assert done.cells_done == done.cells_total


def test_cells_of_a_variant_that_does_not_exist_are_skipped(database: Database, audit: StoredAudit) -> None:
    _do(database, audit, "behaviour")
    _do(database, audit, "measure/original/zero")
    assert _claim(database, audit, f"build/{TWIN}") is not None
    with database.transaction() as session:
        assert skip_dependents(session, audit.id, f"build/{TWIN}") == 2
        assert finish_cell(session, audit.id, f"build/{TWIN}", owner="me") == ["conclude"]
        far = progress(session, audit.id)
    assert (far.done, far.skipped, far.ready, far.waiting) == (5, 2, 1, 0)
    assert far.audit.cells_done == 5
    assert _claim(database, audit, MEASURES[0]) is None


def test_the_fence_lets_nothing_through_from_a_worker_that_lost_its_lease(
    database: Database, audit: StoredAudit
) -> None:
    assert _claim(database, audit, "behaviour", "slow", lease=-1) is not None
    taken_over = _claim(database, audit, "behaviour", "quick")
    assert taken_over is not None
    assert taken_over.attempt == 2
    with pytest.raises(LostLeaseError, match="no longer held by slow"):
        _write_and_finish(database, audit, "slow")
    with database.transaction() as session:
        assert load_behaviour(session, audit.id) is None
    _write_and_finish(database, audit, "quick")
    with pytest.raises(LostLeaseError):
        _write_and_finish(database, audit, "slow")
    with pytest.raises(LostLeaseError), database.transaction() as session:
        fail_cell(session, audit.id, "behaviour", owner="slow", error="late", final=True)
    with database.transaction() as session:
        assert load_behaviour(session, audit.id) == replace(BEHAVIOUR, reason="quick")
    assert _state(database, audit).cells_done == 1


def test_a_worker_whose_lease_ran_out_unnoticed_may_finish(database: Database, audit: StoredAudit) -> None:
    assert _claim(database, audit, "behaviour", lease=-1) is not None
    _finish(database, audit, "behaviour")
    assert _state(database, audit).cells_done == 1


def test_only_the_owner_extends_a_lease(database: Database, audit: StoredAudit) -> None:
    assert _claim(database, audit, "behaviour", lease=-1) is not None
    with database.transaction() as session:
        assert not extend_lease(session, audit.id, "behaviour", owner="you", lease_seconds=60)
        assert extend_lease(session, audit.id, "behaviour", owner="me", lease_seconds=60)
        assert expired_cells(session) == []
    assert _claim(database, audit, "behaviour", "you") is None
    _finish(database, audit, "behaviour")
    with database.transaction() as session:
        assert not extend_lease(session, audit.id, "behaviour", owner="me", lease_seconds=60)


def test_an_error_gives_another_attempt_until_they_are_used_up(database: Database, audit: StoredAudit) -> None:
    sent = []
    for attempt in range(1, MAX_ATTEMPTS + 1):
        claimed = _claim(database, audit, "behaviour")
        assert claimed is not None
        assert claimed.attempt == attempt
        with database.transaction() as session:
            sent.append(fail_cell(session, audit.id, "behaviour", owner="me", error="out of memory", final=False))
    assert sent == [["behaviour"]] * (MAX_ATTEMPTS - 1) + [[]]
    assert _state(database, audit).error == "behaviour: out of memory"


def test_a_final_error_blocks_what_needs_the_cell_and_all_others_go_on(database: Database, audit: StoredAudit) -> None:
    assert _claim(database, audit, f"build/{TWIN}", "builder") is not None
    assert _claim(database, audit, "measure/original/zero", "measurer") is not None
    _do(database, audit, "behaviour")
    with database.transaction() as session:
        fail_cell(session, audit.id, f"build/{TWIN}", owner="builder", error="no\x00such\ud800 head", final=True)
    going_on = _state(database, audit)
    assert (going_on.state, going_on.cells_done, going_on.cells_failed) == (AuditState.RUNNING, 1, 1)
    assert going_on.error == f"build/{TWIN}: no\\0such\\ud800 head"
    with database.transaction() as session:
        assert progress(session, audit.id).blocked == len(MEASURES)
    assert _finish(database, audit, "measure/original/zero", "measurer") == ["conclude"]
    assert _ready(database) == ["conclude"]


def test_an_audit_in_which_a_cell_failed_is_finished_with_failures(database: Database, audit: StoredAudit) -> None:
    _end_with_failures(database, audit)
    ended = _state(database, audit)
    assert (ended.state, ended.error) == (AuditState.INCOMPLETE, f"build/{TWIN}: x")
    assert ended.finished_at is not None
    with database.transaction() as session:
        assert load_report(session, audit.id).audit.state is AuditState.INCOMPLETE
        assert [one.cell for one in load_missing(session, audit.id)] == [f"build/{TWIN}", *MEASURES]
        with pytest.raises(StoreError, match="is incomplete"):
            cancel_audit(session, audit.id)


def test_retry_fills_the_hole_and_concludes_anew(database: Database, audit: StoredAudit) -> None:
    _end_with_failures(database, audit)
    with database.transaction() as session:
        assert retry_audit(session, audit.id) == [f"build/{TWIN}"]
    assert _state(database, audit).cells_done == 2
    assert _do(database, audit, f"build/{TWIN}") == MEASURES
    assert [_do(database, audit, key) for key in MEASURES] == [[], ["conclude"]]
    _conclude(database, audit)
    ended = _state(database, audit)
    assert (ended.state, ended.error, ended.cells_done) == (AuditState.DONE, None, len(CELLS))


def test_without_its_conclusion_an_audit_fails(database: Database, audit: StoredAudit) -> None:
    for key in (*READY_AT_FIRST, *MEASURES):
        _do(database, audit, key)
    _fail(database, audit, "conclude")
    failed = _state(database, audit)
    assert (failed.state, failed.error) == (AuditState.FAILED, "conclude: x")
    with database.transaction() as session:
        assert retry_audit(session, audit.id) == ["conclude"]
    _conclude(database, audit)
    assert _state(database, audit).state is AuditState.DONE


def test_retry_runs_what_failed_and_nothing_that_is_done(database: Database, audit: StoredAudit) -> None:
    _do(database, audit, "behaviour")
    assert _claim(database, audit, f"build/{TWIN}") is not None
    assert _claim(database, audit, "measure/original/zero", "dead", lease=-1) is not None
    with database.transaction() as session:
        fail_cell(session, audit.id, f"build/{TWIN}", owner="me", error="x", final=True)
        cancel_audit(session, audit.id)
    with database.transaction() as session:
        assert retry_audit(session, audit.id) == ["measure/original/zero", f"build/{TWIN}"]
        with pytest.raises(StoreError, match="is queued; expected an audit that finished with failures"):
            retry_audit(session, audit.id)
    again = _state(database, audit)
    assert (again.state, again.cells_done, again.cells_failed, again.error) == (AuditState.QUEUED, 1, 0, None)
    claimed = _claim(database, audit, f"build/{TWIN}")
    assert claimed is not None
    assert claimed.attempt == 1
    assert _state(database, audit).state is AuditState.RUNNING


def test_a_cancelled_audit_takes_nothing_more(database: Database, audit: StoredAudit) -> None:
    assert _claim(database, audit, "behaviour") is not None
    with database.transaction() as session:
        assert cancel_audit(session, audit.id).state is AuditState.CANCELLED
        assert cancel_audit(session, audit.id).state is AuditState.CANCELLED
        assert not extend_lease(session, audit.id, "behaviour", owner="me", lease_seconds=60)
    with pytest.raises(LostLeaseError):
        _write_and_finish(database, audit, "me")
    assert _claim(database, audit, "measure/original/zero") is None
    assert _ready(database) == []
    with database.transaction() as session:
        assert load_behaviour(session, audit.id) is None
        assert retry_audit(session, audit.id) == READY_AT_FIRST


def test_a_finished_audit_is_not_cancelled(database: Database, audit: StoredAudit) -> None:
    with database.transaction() as session:
        save_report(session, audit.id, report())
        with pytest.raises(StoreError, match="is done"):
            cancel_audit(session, audit.id)
        with pytest.raises(NotFoundError):
            cancel_audit(session, "a0")


def test_the_reaper_takes_only_cells_whose_lease_ran_out(database: Database, audit: StoredAudit) -> None:
    assert _claim(database, audit, "behaviour", lease=-1) is not None
    assert _claim(database, audit, "measure/original/zero", lease=60) is not None
    with database.transaction() as session:
        assert expired_cells(session) == [(audit.id, "behaviour")]
    with database.transaction() as session:
        assert expired_cells(session) == []
    assert "behaviour" not in _ready(database, not_dispatched_since=60)  # handed over just now
    claimed = _claim(database, audit, "behaviour")
    assert claimed is not None
    assert claimed.attempt == 2


def test_what_was_written_before_the_clock_was_set_back_is_not_waited_for(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _claim(database, audit, "behaviour", lease=1e6) is not None, "a lease is a minute at most"
    with database.transaction() as session:
        now, sent = database_now(session), [(audit.id, "measure/original/zero")]
        mark_dispatched(session, sent)
    assert "measure/original/zero" not in _ready(database, not_dispatched_since=3)
    for module in (cells, dispatch):
        monkeypatch.setattr(module, "database_now", lambda _: now - timedelta(hours=1))
    assert "measure/original/zero" in _ready(database, not_dispatched_since=3)
    with database.transaction() as session:
        assert expired_cells(session) == [(audit.id, "behaviour")]
    assert _claim(database, audit, "behaviour", "another") is not None
    assert _claim(database, audit, "behaviour", "a third") is None


def test_a_cell_that_kills_its_workers_fails_in_the_end(database: Database, audit: StoredAudit) -> None:
    for _ in range(MAX_ATTEMPTS):
        assert _claim(database, audit, "behaviour") is not None
        _expire(database, "behaviour")
        with database.transaction() as session:
            expired_cells(session)
    failed = _state(database, audit)
    assert failed.state is AuditState.RUNNING
    assert failed.error is not None
    assert f"its worker was lost {MAX_ATTEMPTS} times" in failed.error
    assert failed.cells_failed == 1


def test_an_expired_cell_out_of_attempts_is_not_taken_over(database: Database, audit: StoredAudit) -> None:
    for _ in range(MAX_ATTEMPTS):
        assert _claim(database, audit, "behaviour", lease=-1) is not None
    assert _claim(database, audit, "behaviour", lease=-1) is None


def test_cells_whose_message_was_lost_are_found_again(
    database: Database, audit: StoredAudit, new_audit: Callable[..., StoredAudit]
) -> None:
    other = new_audit(seed=1)
    assert _ready(database, not_dispatched_since=60) == []  # made just now
    assert _ready(database) == READY_AT_FIRST * 2
    assert _ready(database, audit_id=other.id) == READY_AT_FIRST
    with database.transaction() as session:
        session.execute(update(cell).values(dispatched_at=database_now(session).replace(year=2000)))
    assert _ready(database, not_dispatched_since=60) == READY_AT_FIRST * 2
    with database.transaction() as session:
        mark_dispatched(session, [(audit.id, key) for key in READY_AT_FIRST])
        assert ready_cells(session, not_dispatched_since=60) == [(other.id, key) for key in READY_AT_FIRST]


def test_progress_counts_every_cell_once(database: Database, audit: StoredAudit) -> None:
    _do(database, audit, f"build/{TWIN}")
    assert _claim(database, audit, MEASURES[0]) is not None
    with database.transaction() as session:
        far = progress(session, audit.id)
        assert list_audits(session).rows == (far.audit,)
    assert (far.waiting, far.ready, far.running, far.done, far.failed) == (1, 3, 1, 1, 0)
    assert far.running_keys == (MEASURES[0],)
    assert not far.is_over
