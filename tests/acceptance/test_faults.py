"""Faults of brokers, databases and workers while an audit runs: nothing is lost, nothing hangs, nothing is there twice.

Each test notes how long it takes until what the fault had hit is taken up again; the suite prints the table. The long
forms, with the leases of production, run in ``make soak``.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psycopg
import pytest

from auditor.records import AuditState
from auditor.store import Database, StoredAudit, cancel_audit, retry_audit
from tests.acceptance.broker_server import BrokerServer
from tests.acceptance.completeness import is_complete
from tests.acceptance.recovery import Attempts, Computing, attempts, running, until_queued_again
from tests.acceptance.standin_worker import REAL_LEASE
from tests.acceptance.worker_process import WorkerProcess, eventually, thaw
from tests.embedded_postgres import EmbeddedPostgres
from tests.workers import standins
from workers.app import KEY_PREFIX, QUEUE
from workers.waiting import wait

NewWorker = Callable[..., WorkerProcess]
NewAudit = Callable[..., StoredAudit]
Send = Callable[[StoredAudit], int]
Note = Callable[[str, float], None]
Begin = Callable[..., Computing]


@dataclass(frozen=True)
class Scale:
    """How long faults last."""

    name: str
    down_seconds: float
    frozen_seconds: float
    worker: Mapping[str, str]  # its environment


SHORT = Scale("short", down_seconds=2.0, frozen_seconds=3.0, worker={})
LONG = Scale("long", down_seconds=60.0, frozen_seconds=30.0, worker={REAL_LEASE: "1"})


ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
ONLY_LONG = pytest.mark.parametrize("scale", [LONG], indirect=True, ids=["long"])


@pytest.fixture(params=[SHORT, pytest.param(LONG, marks=pytest.mark.soak)], ids=lambda scale: scale.name)
def scale(request: pytest.FixtureRequest) -> Scale:
    """Short in the acceptance tier, long in the soak tier."""
    found: Scale = request.param
    return found


@pytest.fixture
def broker() -> Iterator[BrokerServer]:
    """A broker that can be stopped."""
    server = BrokerServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
def broker_url(broker: BrokerServer) -> str:
    """Where it is."""
    return broker.url


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    """SQLite, where a test does not ask for a server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/audits.sqlite3"
    url: str = request.getfixturevalue("postgres_url")
    return url


def test_a_part_of_the_messages_is_lost_while_others_are_queued(
    computing: Begin, broker: BrokerServer, scale: Scale
) -> None:
    work = computing(concurrency=1, seconds=0.4, more=scale.worker)
    name = f"{KEY_PREFIX}{QUEUE}\x06\x163"
    with broker.client() as client:
        lost = [json.loads(client.lpop(name) or b"{}")["headers"]["cell"].split()[1] for _ in range(3)]
        assert client.llen(name) > 0, "others are queued"
    fault = f"3 of the queued messages lost, others before them [{scale.name}]"
    work.is_taken_up(fault, work.attempts(), set(lost))
    assert work.is_complete()


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.soak), 3])
def test_the_broker_is_killed_and_comes_back_empty(computing: Begin, broker: BrokerServer, times: int) -> None:
    work = computing(seconds=0.5)
    for _ in range(times):
        broker.restart_empty(down_seconds=0.0 if times == 1 else 1.0)
    work.goes_on(f"broker killed and started empty, {times} times")


@pytest.mark.soak
@ONLY_LONG
def test_the_broker_is_away(computing: Begin, broker: BrokerServer, scale: Scale) -> None:
    work = computing(seconds=0.5, more=scale.worker)
    broker.restart_empty(down_seconds=scale.down_seconds)
    work.goes_on(f"broker away for {scale.down_seconds:g} s")


@pytest.mark.soak
@ONLY_LONG
def test_the_broker_is_frozen(computing: Begin, broker: BrokerServer, scale: Scale) -> None:
    work = computing(seconds=0.5, more=scale.worker)
    broker.freeze(scale.frozen_seconds)
    work.goes_on(f"broker frozen for {scale.frozen_seconds:g} s")


@ON_POSTGRESQL
def test_a_worker_is_frozen_past_its_lease_and_thawed(computing: Begin, scale: Scale) -> None:
    """On PostgreSQL: who is stopped in the middle of a write to SQLite holds its lock."""
    work = computing(workers=2, seconds=1.0, more=scale.worker)
    frozen, since = work.worker.freeze(), time.monotonic()
    before = work.attempts()
    work.is_taken_up(f"worker frozen past its lease [{scale.name}]", before, running(before), since)
    thaw(frozen)
    assert work.is_complete()
    assert {worker.process.poll() for worker in work.workers} == {None}


@pytest.mark.soak
@ONLY_LONG
def test_a_whole_worker_is_killed(computing: Begin, scale: Scale) -> None:
    work = computing(workers=2, seconds=1.0, more=scale.worker)
    before = work.attempts()
    work.worker.kill_all()
    work.is_taken_up(f"whole worker killed, another lives [{scale.name}]", before, running(before))
    assert work.is_complete()


@pytest.mark.soak
@ONLY_LONG
def test_a_process_that_computes_is_killed(computing: Begin, scale: Scale) -> None:
    work = computing(seconds=0.5, more=scale.worker)
    before, since = work.attempts(), time.monotonic()
    lost = work.worker.begun()
    key = lost[work.worker.kill_one_that_computes(next(iter(lost.values())))]
    work.is_taken_up(f"process that computes killed [{scale.name}]", before, {key}, since)
    assert work.is_complete()


@ON_POSTGRESQL
def test_every_connection_to_the_database_is_cut_one_of_them_holding_a_lock(
    computing: Begin, database_url: str
) -> None:
    work = computing(seconds=0.5)
    ours = "datname = current_database() AND pid <> pg_backend_pid()"
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}"
    plain = database_url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(plain) as holder:
        holder.execute("SELECT id FROM audit FOR UPDATE")
        time.sleep(1.0)  # every worker waits for the lock, which ends with its connection
        for _ in range(3):
            with work.database.transaction() as session:
                session.exec_driver_sql(cut)
            time.sleep(0.3)
        with suppress(psycopg.Error):
            holder.rollback()
    work.goes_on("PostgreSQL: every connection cut, three times")


@pytest.mark.soak
@ON_POSTGRESQL
@pytest.mark.parametrize("down_seconds", [0.0, 20.0])
def test_the_database_server_crashes_and_comes_back(
    computing: Begin, postgres_server: EmbeddedPostgres, down_seconds: float
) -> None:
    work = computing(seconds=0.5, more=LONG.worker)
    work.database.dispose()
    postgres_server.restart(down_seconds=down_seconds)
    work.goes_on(f"PostgreSQL crashed, away for {down_seconds:g} s")


@pytest.mark.soak
@ONLY_LONG
def test_another_writer_holds_the_lock_of_sqlite(computing: Begin, database_url: str, scale: Scale) -> None:
    work = computing(seconds=0.3, more=scale.worker)
    seconds = scale.frozen_seconds * 2 / 3
    with sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=30, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        other.execute("ROLLBACK")
    other.close()
    work.goes_on(f"SQLite locked by another writer for {seconds:g} s")


def test_a_cancelled_audit_frees_its_worker_in_the_middle_of_a_long_cell(
    computing: Begin, new_audit: NewAudit, send: Send
) -> None:
    work, other = computing(concurrency=1, seconds=300.0), new_audit(seed=1)
    with work.database.transaction() as session:
        cancel_audit(session, work.audit.id)
    since = time.monotonic()
    send(other)
    eventually(lambda: bool(running(attempts(work.database, other))), "the worker takes another audit")
    work.note("cancel in the middle of a cell of 300 s", time.monotonic() - since)
    assert work.worker.process.poll() is None


@pytest.mark.soak
def test_a_batch_of_which_every_tenth_model_fails_under_kills(
    database: Database, new_audit: NewAudit, send: Send, new_worker: NewWorker, recovered: Note
) -> None:
    """No kill meets a cell that an earlier one has met: a cell that loses its worker three times is set aside."""
    more = {**LONG.worker, standins.FAILS_EVERY: "10"}
    batch = [new_audit(seed=seed) for seed in range(1, 16)]
    workers = [new_worker(seconds=1.0, more=more)]
    for audit in batch:
        send(audit)
    for number in range(5):
        worker = workers[-1]
        before: dict[str, Attempts] = {}

        def computes_what_no_kill_has_met() -> bool:
            before.update({audit.id: attempts(database, audit) for audit in batch})  # noqa: B023 - called at once
            times = [found[key][1] for found in before.values() for key in running(found)]  # noqa: B023
            return bool(times) and set(times) == {1}

        time.sleep(1.0)
        eventually(computes_what_no_kill_has_met, "the worker computes cells for the first time")
        since = time.monotonic()
        worker.kill_all()
        workers.append(new_worker(seconds=1.0, more=more))
        for audit in batch:
            until_queued_again(database, audit, before[audit.id], running(before[audit.id]))
        recovered(f"batch: whole worker killed and a new one started ({number + 1} of 5)", time.monotonic() - since)
    ended = wait(database, [audit.id for audit in batch], timeout_seconds=300)
    states = {found.audit.seed: found.audit.state for found in ended.values()}
    assert {seed for seed, state in states.items() if state is not AuditState.DONE} == {10}
    assert states[10] is AuditState.INCOMPLETE
    assert all(is_complete(database, audit.id) for audit in batch if audit.seed != 10)
    workers[-1].kill_all()
    new_worker(seconds=0.0, more=LONG.worker)
    failed = next(audit for audit in batch if audit.seed == 10)
    with database.transaction() as session:
        assert retry_audit(session, failed.id) == ["behaviour"]
    send(failed)
    assert is_complete(database, failed.id)


@pytest.mark.soak
def test_a_worker_that_is_asked_to_end_gives_back_and_its_successor_goes_on(
    computing: Begin, new_worker: NewWorker
) -> None:
    work = computing("--hostname", "one", "--grace", "0", seconds=5.0)
    since = time.monotonic()
    os.kill(work.worker.process.pid, signal.SIGTERM)
    work.worker.process.wait(timeout=60)
    new_worker("--hostname", "one", seconds=0.0)
    assert work.is_complete()
    work.note("SIGTERM without grace, restarted under the same name, until the end", time.monotonic() - since)
