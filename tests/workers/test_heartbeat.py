"""A lease lives as long as its worker computes, and no longer."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest

from auditor.errors import StoreError
from auditor.store import ClaimedCell, Database, LostLeaseError, StoredAudit, cancel_audit, claim_cell, expired_cells
from workers import heartbeat
from workers.heartbeat import BEAT_SECONDS, LEASE_SECONDS, Heartbeat

LEASE = 1.0
BEAT = 0.05


@pytest.fixture
def claimed(database: Database, audit: StoredAudit) -> ClaimedCell:
    """A cell held under a short lease."""
    with database.transaction() as session:
        found = claim_cell(session, audit.id, "behaviour", owner="me", lease_seconds=LEASE)
    assert found is not None
    return found


def _expired(database: Database) -> bool:
    with database.transaction() as session:
        return bool(expired_cells(session))


def test_a_lease_outlives_its_length_while_the_heart_beats(database: Database, claimed: ClaimedCell) -> None:
    with Heartbeat(database, claimed, lease_seconds=LEASE, beat_seconds=BEAT) as beating:
        time.sleep(2 * LEASE)
        assert not _expired(database)
        beating.check()
    time.sleep(1.2 * LEASE)
    assert _expired(database)


def _cancel(database: Database, claimed: ClaimedCell) -> None:
    with database.transaction() as session:
        cancel_audit(session, claimed.audit_id)


def test_a_computation_that_asks_nobody_is_stopped_when_its_audit_is_cancelled(
    database: Database, claimed: ClaimedCell
) -> None:
    def compute() -> None:
        with Heartbeat(database, claimed, lease_seconds=LEASE, beat_seconds=BEAT):
            _cancel(database, claimed)
            until = time.monotonic() + 60
            while time.monotonic() < until:
                pass

    with pytest.raises(LostLeaseError, match="cancelled"):
        compute()


def test_a_computation_that_swallows_the_exception_is_stopped_the_next_time(
    database: Database, claimed: ClaimedCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "AGAIN_SECONDS", BEAT)
    swallowed = 0
    with Heartbeat(database, claimed, lease_seconds=LEASE, beat_seconds=BEAT):
        _cancel(database, claimed)
        while swallowed < 3:
            try:
                time.sleep(60)
            except LostLeaseError:
                swallowed += 1


def test_what_comes_too_late_to_stop_anything_stops_nothing_else(
    database: Database, claimed: ClaimedCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "AGAIN_SECONDS", 0.001)
    _cancel(database, claimed)
    for _ in range(50):
        with suppress(LostLeaseError), Heartbeat(database, claimed, lease_seconds=LEASE, beat_seconds=0.001):
            time.sleep(0.002)
        for _ in range(200):  # nothing is raised here
            pass
    assert threading.active_count() < 20


def test_a_cell_lost_before_anything_can_be_raised_is_stopped_in_the_block(
    database: Database, claimed: ClaimedCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first beat finds the loss while the block is still being entered."""
    monkeypatch.setattr(heartbeat, "AGAIN_SECONDS", 0.001)
    _cancel(database, claimed)
    arm, stopped = heartbeat.arm, True

    def late(*arguments: object, **named: object) -> bool:
        time.sleep(0.2)
        return arm(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(heartbeat, "arm", late)
    with suppress(LostLeaseError), Heartbeat(database, claimed, lease_seconds=LEASE, beat_seconds=0.001):
        time.sleep(30)
        stopped = False
    assert stopped


def test_a_database_that_is_away_for_a_moment_costs_nothing(
    database: Database, claimed: ClaimedCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    not_padding = heartbeat.extend_lease

    def flaky(*arguments: object, **named: object) -> bool:
        calls.append("beat")
        if len(calls) == 1:
            raise StoreError("the database is locked")
        return not_padding(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(heartbeat, "extend_lease", flaky)
    with Heartbeat(database, claimed, lease_seconds=LEASE, beat_seconds=BEAT) as beating:
        time.sleep(1.5 * LEASE)
        beating.check()
    assert len(calls) > 2


def test_a_lease_survives_a_late_beat() -> None:
    assert LEASE_SECONDS >= 3 * BEAT_SECONDS
