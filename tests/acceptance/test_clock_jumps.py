"""The clock of a machine is set by an hour while it computes: nothing is lost, and nothing waits for that hour.

Leases are given by the clock of the database: the server's with PostgreSQL, that of the machine with SQLite. Here the
worker and the PostgreSQL server run on the machine whose clock is set.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import make_url

from auditor.store import Database, StoredAudit
from tests.acceptance.broker_server import client_of
from tests.acceptance.completeness import is_complete
from tests.acceptance.machine_clock import MachineClock, machine_clock
from tests.acceptance.recovery import attempts, done, running, until_progress, until_taken_up
from tests.acceptance.worker_process import WorkerProcess, eventually
from tests.embedded_postgres import embedded_postgres

NewWorker = Callable[..., WorkerProcess]
NewAudit = Callable[..., StoredAudit]
Send = Callable[[StoredAudit], int]
Note = Callable[[str, float], None]

HOUR = 3600
READS = "import datetime, time; print(time.time(), datetime.datetime.now().timestamp(), time.monotonic())"


@pytest.fixture
def clock() -> Iterator[MachineClock]:
    """The clock of the machine."""
    with machine_clock() as made:
        yield made


@pytest.fixture
def postgres_url(clock: MachineClock) -> Iterator[str]:
    """A server of its own, which reads that clock."""
    with embedded_postgres(environment=clock.environment) as server:
        yield server.new_database()


BACK, FORWARD = -HOUR, HOUR
WHERE = [("sqlite", FORWARD), ("postgresql", BACK), ("postgresql", FORWARD)]
ON_SOAK = [pytest.param(*where, marks=pytest.mark.soak) for where in WHERE]


@pytest.fixture
def kind(database_url: str) -> str:
    """For the table of times."""
    return make_url(database_url).get_backend_name()


@pytest.mark.parametrize("jump", [BACK, FORWARD])
def test_the_clock_is_set_for_programs(clock: MachineClock, jump: int) -> None:
    environment = {**os.environ, **clock.environment}

    def read() -> list[float]:
        said = subprocess.run([sys.executable, "-c", READS], env=environment, capture_output=True, check=True).stdout
        return [float(word) for word in said.split()]

    before = read()
    clock.jump(jump)
    after = read()
    moved = [round((there - here) / HOUR) for here, there in zip(before, after, strict=True)]
    assert moved == [jump // HOUR, jump // HOUR, 0]


@pytest.mark.soak
@pytest.mark.parametrize(("database_url", "jump"), [("sqlite", BACK), *WHERE], indirect=["database_url"])
def test_cells_that_are_computed_while_the_clock_is_set(
    clock: MachineClock,
    database: Database,
    kind: str,
    new_audit: NewAudit,
    send: Send,
    new_worker: NewWorker,
    recovered: Note,
    jump: int,
) -> None:
    audit = new_audit()
    worker = new_worker(seconds=0.5, more=clock.environment)
    send(audit)
    eventually(lambda: done(database, audit) > 0 and bool(worker.begun()), "the worker computes")
    clock.jump(jump)
    took = until_progress(database, audit, time.monotonic())
    recovered(f"clock set by {jump // HOUR:+d} h [{kind}]", took)
    assert is_complete(database, audit.id)
    assert worker.process.poll() is None


@pytest.mark.parametrize(("database_url", "jump"), [("sqlite", BACK), *ON_SOAK], indirect=["database_url"])
def test_a_worker_is_killed_and_messages_are_lost_while_the_clock_is_set(
    clock: MachineClock,
    database: Database,
    kind: str,
    broker_url: str,
    new_audit: NewAudit,
    send: Send,
    new_worker: NewWorker,
    recovered: Note,
    jump: int,
) -> None:
    """Leases and messages of before are not waited for until that clock comes to their time."""
    audit = new_audit()
    first = new_worker(seconds=30.0, more=clock.environment)
    send(audit)
    eventually(lambda: len(first.begun()) == 2, "the worker computes")
    first.kill_all()
    before = attempts(database, audit)
    assert len(running(before)) == 2
    clock.jump(jump)
    with client_of(broker_url) as client:
        client.flushall()
    new_worker(seconds=0.2, more=clock.environment)
    took = until_taken_up(database, audit, before, running(before), time.monotonic())
    recovered(f"worker killed, messages lost, clock set by {jump // HOUR:+d} h, another starts [{kind}]", took)
    assert is_complete(database, audit.id)
