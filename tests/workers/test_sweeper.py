"""The sweeper keeps going, leaves no connection between sweeps, and no fork happens within one."""

from __future__ import annotations

import os
import threading
import time

import pytest

from auditor.errors import BrokerError, StoreError
from auditor.store import Database
from workers import sweeper
from workers.app import create_app
from workers.sweeper import start_sweeper

PERIOD = 0.01


def _until(enough: threading.Event) -> None:
    assert enough.wait(5)


def test_a_sweep_that_fails_is_followed_by_the_next(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []
    errors = [StoreError("the database is away"), ZeroDivisionError("a defect"), BrokerError("the broker is away")]
    enough = threading.Event()

    def sweep(*_: object) -> int:
        calls.append(1)
        if len(calls) <= len(errors):
            raise errors[len(calls) - 1]
        enough.set()
        return 0

    monkeypatch.setattr(sweeper, "sweep", sweep)
    stop = start_sweeper(database_url, create_app("redis://127.0.0.1:1/0"), period_seconds=PERIOD)
    _until(enough)
    stop.set()
    assert [str(error) in caplog.text for error in errors] == [True, True, False], "the worker tells of its broker"


def test_no_connection_outlives_a_sweep(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    swept = threading.Event()
    used: list[Database] = []

    def sweep(database: Database, _: object) -> int:
        with database.transaction(read_only=True):
            used.append(database)
        swept.set()
        return 0

    monkeypatch.setattr(sweeper, "sweep", sweep)
    stop = start_sweeper(database_url, create_app("redis://127.0.0.1:1/0"), period_seconds=60)
    _until(swept)
    with sweeper._sweeping:  # the sweep is over
        assert used[0]._engine.pool.checkedin() == 0  # type: ignore[attr-defined]
    stop.set()


def test_a_fork_waits_for_the_sweep(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    within, over = threading.Event(), threading.Event()

    def sweep(*_: object) -> int:
        within.set()
        time.sleep(0.2)
        over.set()
        return 0

    monkeypatch.setattr(sweeper, "sweep", sweep)
    stop = start_sweeper(database_url, create_app("redis://127.0.0.1:1/0"), period_seconds=60)
    _until(within)
    child = os.fork()
    if child == 0:
        os._exit(0 if over.is_set() and not sweeper._sweeping.locked() else 1)
    _, status = os.waitpid(child, 0)
    stop.set()
    assert os.waitstatus_to_exitcode(status) == 0
