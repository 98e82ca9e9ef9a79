"""Waiting shows the progress in the database, and ends when the audits do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from auditor.errors import BrokerError, NotFoundError
from auditor.records import AuditState
from auditor.store import Database, Progress, StoredAudit, cancel_audit, ready_cells
from workers.cells import execute
from workers.owners import new_owner
from workers.waiting import wait


def _cancel(database: Database, audit_id: str) -> None:
    with database.transaction() as session:
        cancel_audit(session, audit_id)


@pytest.mark.usefixtures("_instant")
def test_progress_is_seen_until_the_end(database: Database, audit: StoredAudit) -> None:
    seen: list[int] = []

    def work(found: Mapping[str, Progress]) -> None:
        seen.append(found[audit.id].done)
        with database.transaction() as session:
            waiting = ready_cells(session)
        for one, key in waiting[:1]:
            execute(database, one, key, owner=new_owner())

    ended = wait(database, [audit.id], on_progress=work, poll_seconds=0)
    assert ended[audit.id].audit.state is AuditState.DONE
    assert seen == list(range(audit.cells_total + 1))


def test_all_are_waited_for(database: Database, new_audit: Callable[..., StoredAudit]) -> None:
    ids = [new_audit().id, new_audit().id]
    polls: list[int] = []

    def cancel_one(_: Mapping[str, Progress]) -> None:
        if len(polls) < len(ids):
            _cancel(database, ids[len(polls)])
        polls.append(1)

    ended = wait(database, ids, on_progress=cancel_one, poll_seconds=0)
    assert list(ended) == ids
    assert {found.audit.state for found in ended.values()} == {AuditState.CANCELLED}
    assert len(polls) == len(ids) + 1


def test_a_check_that_fails_ends_the_wait(database: Database, audit: StoredAudit) -> None:
    def check() -> None:
        raise BrokerError("the local worker ended")

    with pytest.raises(BrokerError):
        wait(database, [audit.id], check=check)


def test_a_timeout_gives_the_progress_so_far(database: Database, audit: StoredAudit) -> None:
    found = wait(database, [audit.id], poll_seconds=0, timeout_seconds=0)
    assert not found[audit.id].is_over


def test_an_audit_that_does_not_exist_is_not_waited_for(database: Database) -> None:
    with pytest.raises(NotFoundError):
        wait(database, ["a0"])
