"""Every cell is done once in effect, whatever is killed or lost on the way. On both databases, with real workers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from auditor.records import AuditState
from auditor.store import (
    MAX_ATTEMPTS,
    Database,
    Progress,
    StoredAudit,
    cancel_audit,
    progress,
    retry_audit,
)
from tests.acceptance.broker_server import client_of
from tests.acceptance.completeness import is_complete
from tests.acceptance.worker_process import PATIENCE_SECONDS, WorkerProcess, eventually
from tests.workers import standins
from workers.broker import count_workers
from workers.waiting import wait

NewWorker = Callable[..., WorkerProcess]
NewAudit = Callable[[], StoredAudit]
Send = Callable[[StoredAudit], int]


def _progress(database: Database, audit_id: str) -> Progress:
    with database.transaction(read_only=True) as session:
        return progress(session, audit_id)


def test_two_workers_share_an_audit_and_survive_every_kill(
    database: Database, new_audit: NewAudit, send: Send, new_worker: NewWorker
) -> None:
    audit = new_audit()
    first, second = new_worker(), new_worker()
    send(audit)
    victims = [first.kill_one_that_computes()]
    eventually(lambda: _progress(database, audit.id).done >= 3, "work goes on after a pool process was killed")
    victims.append(second.kill_one_that_computes())
    eventually(lambda: bool(first.begun()), "the first worker computes")
    first.kill_all()
    assert is_complete(database, audit.id)
    assert len(set(victims)) == len(victims)
    assert second.process.poll() is None


def test_an_audit_outlives_all_its_workers(
    database: Database, new_audit: NewAudit, send: Send, new_worker: NewWorker
) -> None:
    audit = new_audit()
    first = new_worker()
    send(audit)
    eventually(lambda: bool(first.begun()), "the worker computes")
    first.kill_all()
    assert not _progress(database, audit.id).is_over
    new_worker(seconds=0.0)
    assert is_complete(database, audit.id)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestOnOneDatabase:
    """What does not depend on the database."""

    def test_messages_that_never_arrive_are_sent_again(
        self, database: Database, new_audit: NewAudit, send: Send, new_worker: NewWorker, broker_url: str
    ) -> None:
        audit = new_audit()
        assert send(audit) > 0
        with client_of(broker_url) as client:
            client.flushall()
        new_worker(seconds=0.0)
        assert is_complete(database, audit.id)

    def test_messages_that_come_twice_are_done_once(
        self, database: Database, new_audit: NewAudit, send: Send, new_worker: NewWorker
    ) -> None:
        audit = new_audit()
        for _ in range(3):
            send(audit)
        worker = new_worker(seconds=0.05)
        assert is_complete(database, audit.id)
        begun = [line for line in worker.journal.read_text().splitlines() if " begin " in line]
        assert len(begun) == len(standins.MANY_CELLS)

    def test_a_cancelled_audit_stops_and_a_retried_one_goes_on(
        self, database: Database, new_audit: NewAudit, send: Send, new_worker: NewWorker
    ) -> None:
        audit, other = new_audit(), new_audit()
        worker = new_worker(seconds=0.2)
        send(audit)
        eventually(lambda: _progress(database, audit.id).done >= 2, "some cells are done")
        with database.transaction() as session:
            cancel_audit(session, audit.id)
        stopped = _progress(database, audit.id).done
        send(other)
        eventually(lambda: _progress(database, other.id).done >= 2, "the worker goes on with another audit")
        assert _progress(database, audit.id).done == stopped
        assert worker.process.poll() is None
        with database.transaction() as session:
            retry_audit(session, audit.id)
        send(audit)
        assert is_complete(database, audit.id)
        assert is_complete(database, other.id)

    def test_a_cell_that_kills_every_worker_process_is_set_aside_and_all_others_are_done(
        self, database: Database, new_audit: NewAudit, send: Send, new_worker: NewWorker
    ) -> None:
        audit = new_audit()
        worker = new_worker(concurrency=1, seconds=0.4)
        with database.transaction() as session:
            # as if it had already been lost all but once
            session.exec_driver_sql("UPDATE cell SET attempt = ? WHERE key = 'behaviour'", (MAX_ATTEMPTS - 1,))
        send(audit)
        worker.kill_one_that_computes("behaviour")
        ended = wait(database, [audit.id], timeout_seconds=PATIENCE_SECONDS)[audit.id]
        assert ended.audit.state is AuditState.INCOMPLETE
        assert f"lost {MAX_ATTEMPTS} times" in (ended.audit.error or "")
        assert (ended.failed, ended.done) == (1, len(standins.MANY_CELLS) - 1)
        eventually(lambda: len(worker.pool) == 1, "the pool process is replaced")

    def test_workers_can_be_counted(self, new_worker: NewWorker, broker_url: str) -> None:
        assert count_workers(broker_url) == 0
        new_worker()
        new_worker()
        eventually(lambda: count_workers(broker_url) == 2, "two workers answer")
