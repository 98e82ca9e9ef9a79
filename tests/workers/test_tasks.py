"""The Celery task: every error is recorded on its cell, and cells that became ready are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from celery.exceptions import SoftTimeLimitExceeded

from auditor.errors import BrokerError
from auditor.records import AuditState
from auditor.store import Database, StoredAudit, get_audit
from workers import cells, tasks
from workers.app import LOST_WORKER_RETRIES, RUN_CELL

pytestmark = pytest.mark.usefixtures("_instant")

Sent = list[tuple[str, str]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, database: Database) -> Iterator[Sent]:
    """What the task sends, in a process whose database is the test's."""
    messages: Sent = []
    monkeypatch.setattr(tasks, "process_database", lambda: database)
    monkeypatch.setattr(tasks, "send", lambda _database, _app, cells: messages.extend(cells))
    return messages


def _fail(error: BaseException) -> Callable[..., object]:
    def step(*_: object, **__: object) -> object:
        raise error

    return step


def test_running_every_message_once_finishes_the_audit(database: Database, audit: StoredAudit, sent: Sent) -> None:
    waiting = [(audit.id, key) for key in ("behaviour", "build/exact_head_permutation/0", "measure/original")]
    while waiting:
        tasks.run_cell(*waiting.pop(0))
        waiting += sent
        sent.clear()
    with database.transaction() as session:
        found = get_audit(session, audit.id)
    assert (found.state, found.cells_done, found.cells_failed) == (AuditState.DONE, found.cells_total, 0)


def test_the_soft_limit_is_an_error_that_is_not_tried_again(
    database: Database, audit: StoredAudit, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "evaluate", _fail(SoftTimeLimitExceeded()))
    tasks.run_cell(audit.id, "behaviour")
    with database.transaction() as session:
        found = get_audit(session, audit.id)
    assert found.cells_failed == 1
    assert "longer than the limit" in (found.error or "")
    assert sent == []


def test_an_unexpected_error_sends_the_cell_again(
    audit: StoredAudit, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "evaluate", _fail(ZeroDivisionError("once")))
    tasks.run_cell(audit.id, "behaviour")
    assert sent == [(audit.id, "behaviour")]


def test_a_broker_that_is_away_does_not_undo_a_finished_cell(
    database: Database, audit: StoredAudit, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "send", _fail(BrokerError("away")))
    tasks.run_cell(audit.id, "behaviour")
    with database.transaction() as session:
        assert get_audit(session, audit.id).cells_done == 1


def test_a_process_computes_with_one_thread() -> None:
    torch.set_num_threads(2)
    try:
        tasks.prepare_process()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_flush_denormal(False)  # other tests draw floating-point numbers in this process


def test_a_cell_that_kills_its_process_is_delivered_a_bounded_number_of_times() -> None:
    task = tasks.app.tasks[RUN_CELL]
    assert (task.max_retries, task.default_retry_delay) == (LOST_WORKER_RETRIES, 1)
    assert task.retry_on_worker_lost
