"""The hard time limit: a cell that goes on whatever is raised in it is killed and set aside, all others are done."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from auditor.records import AuditState, CellState
from auditor.store import MAX_ATTEMPTS, Database, StoredAudit, load_missing, retry_audit
from tests.acceptance.completeness import is_complete
from tests.acceptance.recovery import attempts
from tests.acceptance.standin_worker import HARD_EXTRA
from tests.acceptance.worker_process import PATIENCE_SECONDS, WorkerProcess
from tests.workers import standins
from workers.waiting import wait

NewWorker = Callable[..., WorkerProcess]
NewAudit = Callable[..., StoredAudit]
Send = Callable[[StoredAudit], int]
Note = Callable[[str, float], None]

SOFT_SECONDS = 30
STUBBORN = f"measure/{standins.MANY_TWINS[2]}"


@pytest.fixture
def database_url(tmp_path: object) -> str:
    """The kinds of database behave alike here: tests/acceptance/test_delivery.py."""
    return f"sqlite:///{tmp_path}/audits.sqlite3"


@pytest.mark.soak
def test_a_cell_that_ignores_its_soft_limit_is_killed_by_the_hard_one_and_all_others_are_done(
    database: Database, new_audit: NewAudit, send: Send, new_worker: NewWorker, recovered: Note
) -> None:
    audit = new_audit()
    worker = new_worker(
        "--time-limit", f"{SOFT_SECONDS}", seconds=0.05, more={standins.STUBBORN: STUBBORN, HARD_EXTRA: "1"}
    )
    since = time.monotonic()
    send(audit)
    ended = wait(database, [audit.id], timeout_seconds=MAX_ATTEMPTS * PATIENCE_SECONDS)[audit.id]
    recovered(
        f"a cell killed {MAX_ATTEMPTS} times at {SOFT_SECONDS + 1} s, until the audit is over", time.monotonic() - since
    )
    assert ended.audit.state is AuditState.INCOMPLETE
    assert f"{STUBBORN}: its worker was lost {MAX_ATTEMPTS} times" in (ended.audit.error or "")
    assert "over the time limit" in (ended.audit.error or "")
    states = {key: state for key, (state, _) in attempts(database, audit).items()}
    assert {key for key, state in states.items() if state is not CellState.DONE} == {STUBBORN}
    assert states[STUBBORN] is CellState.FAILED
    with database.transaction(read_only=True) as session:
        assert STUBBORN in str(load_missing(session, audit.id))
    assert worker.process.poll() is None, "the worker outlives the processes that it kills"
    journal = worker.journal.read_text()
    assert journal.count(f" begin {STUBBORN}\n") == MAX_ATTEMPTS
    assert f" end {STUBBORN}\n" not in journal
    worker.kill_all()
    new_worker(seconds=0.0)
    with database.transaction() as session:
        assert retry_audit(session, audit.id) == [STUBBORN]
    send(audit)
    assert is_complete(database, audit.id)
