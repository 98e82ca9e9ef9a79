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

from auditor.records import AuditState, CellState
from auditor.store import Database, StoredAudit, cancel_audit, retry_audit
from tests.acceptance.broker_server import BrokerServer
from tests.acceptance.completeness import is_complete
from tests.acceptance.recovery import (
    attempts,
    running,
    until_progress,
    until_queued_again,
    until_taken_up,
)
from tests.acceptance.standin_worker import REAL_LEASE
from tests.acceptance.worker_process import WorkerProcess, eventually, thaw
from tests.embedded_postgres import EmbeddedPostgres
from tests.workers import standins
from workers.app import KEY_PREFIX, QUEUE
from workers.broker import count_workers
from workers.waiting import wait

NewWorker = Callable[..., WorkerProcess]
NewAudit = Callable[..., StoredAudit]
Send = Callable[[StoredAudit], int]
Note = Callable[[str, float], None]


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
    database: Database,
    new_audit: NewAudit,
    send: Send,
    new_worker: NewWorker,
    broker: BrokerServer,
    scale: Scale,
    recovered: Note,
) -> None:
    audit = new_audit()
    worker = new_worker(concurrency=1, seconds=0.4, more=scale.worker)
    send(audit)
    eventually(lambda: bool(worker.begun()), "the worker computes")
    name = f"{KEY_PREFIX}{QUEUE}\x06\x163"
    with broker.client() as client:
        lost = [json.loads(client.lpop(name) or b"{}")["headers"]["cell"].split()[1] for _ in range(3)]
        assert client.llen(name) > 0, "others are queued"
    took = until_taken_up(database, audit, attempts(database, audit), set(lost), time.monotonic())
    recovered(f"3 of the queued messages lost, others before them [{scale.name}]", took)
    assert is_complete(database, audit.id)


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.soak), 3])
def test_the_broker_is_killed_and_comes_back_empty(
    database: Database,
    new_audit: NewAudit,
    send: Send,
    new_worker: NewWorker,
    broker: BrokerServer,
    times: int,
    recovered: Note,
) -> None:
    audit = new_audit()
    worker = new_worker(seconds=0.5)
    send(audit)
    eventually(lambda: bool(worker.begun()), "the worker computes")
    for _ in range(times):
        broker.restart_empty(down_seconds=0.0 if times == 1 else 1.0)
    took = until_progress(database, audit, time.monotonic())
    recovered(f"broker killed and started empty, {times} times", took)
    assert is_complete(database, audit.id)


@pytest.mark.soak
@ONLY_LONG
def test_the_broker_is_away(
    database: Database,
    new_audit: NewAudit,
    send: Send,
    new_worker: NewWorker,
    broker: BrokerServer,
    scale: Scale,
    recovered: Note,
) -> None:
    audit = new_audit()
    worker = new_worker(seconds=0.5, more=scale.worker)
    send(audit)
    eventually(lambda: bool(worker.begun()), "the worker computes")
    broker.restart_empty(down_seconds=scale.down_seconds)
    took = until_progress(database, audit, time.monotonic())
    recovered(f"broker away for {scale.down_seconds:g} s", took)
    assert is_complete(database, audit.id)


@pytest.mark.soak
@ONLY_LONG
def test_the_broker_is_frozen(
    database: Database,
    new_audit: NewAudit,
    send: Send,
    new_worker: NewWorker,
    broker: BrokerServer,
    scale: Scale,
    recovered: Note,
) -> None:
    audit = new_audit()
    worker = new_worker(seconds=0.5, more=scale.worker)
    send(audit)
    eventually(lambda: bool(worker.begun()), "the worker computes")
    broker.freeze(scale.frozen_seconds)
    took = until_progress(database, audit, time.monotonic())
    recovered(f"broker frozen for {scale.frozen_seconds:g} s", took)
    assert is_complete(database, audit.id)


@ON_POSTGRESQL
def test_a_worker_is_frozen_past_its_lease_and_thawed(
    database: Database,
    new_audit: NewAudit,
    send: Send,
    new_worker: NewWorker,
    broker: BrokerServer,
    scale: Scale,
    recovered: Note,
) -> None:
    """On PostgreSQL: who is stopped in the middle of a write to SQLite holds its lock."""
    audit = new_audit()
    first, second = new_worker(seconds=1.0, more=scale.worker), new_worker(seconds=1.0, more=scale.worker)
    eventually(lambda: count_workers(broker.url) == 2, "both workers listen")
    send(audit)
    eventually(lambda: bool(first.begun()), "the first worker computes")
    frozen, since = first.freeze(), time.monotonic()
    before = attempts(database, audit)
    took = until_taken_up(database, audit, before, running(before), since)
    thaw(frozen)
    recovered(f"worker frozen past its lease [{scale.name}]", took)
    assert is_complete(database, audit.id)
    assert {first.process.poll(), second.process.poll()} == {None}


@pytest.mark.soak
@ONLY_LONG
def test_a_whole_worker_is_killed(
    database: Database,
    new_audit: NewAudit,
    send: Send,
    new_worker: NewWorker,
    broker: BrokerServer,
    scale: Scale,
    recovered: Note,
) -> None:
    audit = new_audit()
    first, _ = new_worker(seconds=1.0, more=scale.worker), new_worker(seconds=1.0, more=scale.worker)
    eventually(lambda: count_workers(broker.url) == 2, "both workers listen")
    send(audit)
    eventually(lambda: bool(first.begun()), "the first worker computes")
    before = attempts(database, audit)
    first.kill_all()
    took = until_taken_up(database, audit, before, running(before), time.monotonic())
    recovered(f"whole worker killed, another lives [{scale.name}]", took)
    assert is_complete(database, audit.id)


@pytest.mark.soak
@ONLY_LONG
def test_a_process_that_computes_is_killed(
    database: Database, new_audit: NewAudit, send: Send, new_worker: NewWorker, scale: Scale, recovered: Note
) -> None:
    audit = new_audit()
    worker = new_worker(seconds=0.5, more=scale.worker)
    send(audit)
    eventually(lambda: bool(worker.begun()), "the worker computes")
    before, since = attempts(database, audit), time.monotonic()
    lost = worker.begun()
    key = lost[worker.kill_one_that_computes(next(iter(lost.values())))]
    took = until_taken_up(database, audit, before, {key}, since)
    recovered(f"process that computes killed [{scale.name}]", took)
    assert is_complete(database, audit.id)


@ON_POSTGRESQL
def test_every_connection_to_the_database_is_cut_one_of_them_holding_a_lock(
    database: Database, database_url: str, new_audit: NewAudit, send: Send, new_worker: NewWorker, recovered: Note
) -> None:
    audit = new_audit()
    worker = new_worker(seconds=0.5)
    send(audit)
    eventually(lambda: bool(worker.begun()), "the worker computes")
    ours = "datname = current_database() AND pid <> pg_backend_pid()"
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}"
    plain = database_url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(plain) as holder:
        holder.execute("SELECT id FROM audit FOR UPDATE")
        time.sleep(1.0)  # every worker waits for the lock, which ends with its connection
        for _ in range(3):
            with database.transaction() as session:
                session.exec_driver_sql(cut)
            time.sleep(0.3)
        with suppress(psycopg.Error):
            holder.rollback()
    took = until_progress(database, audit, time.monotonic())
    recovered("PostgreSQL: every connection cut, three times", took)
    assert is_complete(database, audit.id)


@pytest.mark.soak
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("down_seconds", [0.0, 20.0])
def test_the_database_server_crashes_and_comes_back(
    database: Database,
    postgres_server: EmbeddedPostgres,
    new_audit: NewAudit,
    send: Send,
    new_worker: NewWorker,
    down_seconds: float,
    recovered: Note,
) -> None:
    audit = new_audit()
    worker = new_worker(seconds=0.5, more=LONG.worker)
    send(audit)
    eventually(lambda: bool(worker.begun()), "the worker computes")
    database.dispose()
    postgres_server.restart(down_seconds=down_seconds)
    took = until_progress(database, audit, time.monotonic())
    recovered(f"PostgreSQL crashed, away for {down_seconds:g} s", took)
    assert is_complete(database, audit.id)


@pytest.mark.soak
@ONLY_LONG
def test_another_writer_holds_the_lock_of_sqlite(
    database: Database,
    database_url: str,
    new_audit: NewAudit,
    send: Send,
    new_worker: NewWorker,
    scale: Scale,
    recovered: Note,
) -> None:
    audit = new_audit()
    worker = new_worker(seconds=0.3, more=scale.worker)
    send(audit)
    eventually(lambda: bool(worker.begun()), "the worker computes")
    seconds = scale.frozen_seconds * 2 / 3
    with sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=30, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        other.execute("ROLLBACK")
    other.close()
    took = until_progress(database, audit, time.monotonic())
    recovered(f"SQLite locked by another writer for {seconds:g} s", took)
    assert is_complete(database, audit.id)


def test_a_cancelled_audit_frees_its_worker_in_the_middle_of_a_long_cell(
    database: Database, new_audit: NewAudit, send: Send, new_worker: NewWorker, recovered: Note
) -> None:
    audit, other = new_audit(), new_audit(seed=1)
    worker = new_worker(concurrency=1, seconds=300.0)
    send(audit)
    eventually(lambda: bool(worker.begun()), "the worker computes")
    with database.transaction() as session:
        cancel_audit(session, audit.id)
    since = time.monotonic()
    send(other)

    def begun() -> bool:
        return bool(running(attempts(database, other)))

    eventually(begun, "the worker takes another audit")
    recovered("cancel in the middle of a cell of 300 s", time.monotonic() - since)
    assert worker.process.poll() is None


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
        before: dict[str, dict[str, tuple[CellState, int]]] = {}

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
    database: Database, new_audit: NewAudit, send: Send, new_worker: NewWorker, recovered: Note
) -> None:
    audit = new_audit()
    first = new_worker("--hostname", "one", "--grace", "0", seconds=5.0)
    send(audit)
    eventually(lambda: bool(first.begun()), "the worker computes")
    since = time.monotonic()
    os.kill(first.process.pid, signal.SIGTERM)
    first.process.wait(timeout=60)
    new_worker("--hostname", "one", seconds=0.0)
    assert is_complete(database, audit.id)
    recovered("SIGTERM without grace, restarted under the same name, until the end", time.monotonic() - since)
