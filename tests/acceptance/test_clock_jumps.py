"""The clock of a machine is set by an hour while it computes: nothing is lost, and nothing waits for that hour.

Leases are given by the clock of the database: the server's with PostgreSQL, that of the machine with SQLite. Here the
worker and the PostgreSQL server run on the machine whose clock is set.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import make_url

from tests.acceptance.broker_server import client_of
from tests.acceptance.machine_clock import MachineClock, machine_clock
from tests.acceptance.recovery import Computing, done, running
from tests.acceptance.worker_process import WorkerProcess, eventually
from tests.embedded_postgres import embedded_postgres

NewWorker = Callable[..., WorkerProcess]
Begin = Callable[..., Computing]

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
    clock: MachineClock, kind: str, computing: Begin, jump: int
) -> None:
    work = computing(seconds=0.5, more=clock.environment)
    eventually(lambda: done(work.database, work.audit) > 0 and bool(work.worker.begun()), "more cells are computed")
    clock.jump(jump)
    work.goes_on(f"clock set by {jump // HOUR:+d} h [{kind}]")
    assert work.worker.process.poll() is None


@pytest.mark.parametrize(("database_url", "jump"), [("sqlite", BACK), *ON_SOAK], indirect=["database_url"])
def test_a_worker_is_killed_and_messages_are_lost_while_the_clock_is_set(
    clock: MachineClock, kind: str, broker_url: str, computing: Begin, new_worker: NewWorker, jump: int
) -> None:
    """Leases and messages of before are not waited for until that clock comes to their time."""
    work = computing(seconds=30.0, more=clock.environment)
    work.worker.kill_all()
    before = work.attempts()
    assert len(running(before)) == 2
    clock.jump(jump)
    with client_of(broker_url) as client:
        client.flushall()
    new_worker(seconds=0.2, more=clock.environment)
    fault = f"worker killed, messages lost, clock set by {jump // HOUR:+d} h, another starts [{kind}]"
    work.is_taken_up(fault, before, running(before))
    assert work.is_complete()
