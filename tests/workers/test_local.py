"""A local worker that does not start is reported with the reason. (Whole audits: the acceptance tests.)"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from auditor.errors import BrokerError
from auditor.settings import Settings
from auditor.store import Database, StoredAudit, claim_cell, progress
from workers import local
from workers.child_processes import start
from workers.local import LOG_BYTES, local_workers
from workers.owners import owners_of
from workers.serving import serve_locally


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """A home of its own."""
    return Settings(tmp_path, database_url, None)


def _instead(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(local, "start", lambda _command, **named: start([sys.executable, "-c", code], **named))


def test_a_worker_that_ends_is_reported_with_the_last_line_of_its_log(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings.home / "logs").mkdir()
    (settings.home / "logs" / "worker.log").write_text("an older worker's words\n")
    _instead(monkeypatch, "print('first'); print('no such table'); raise SystemExit(3)")
    with local_workers(settings) as workers:
        workers.worker.wait()
        with pytest.raises(BrokerError, match=r"status 3: no such table; see .*worker.log"):
            workers.require_alive()
    assert workers.log.read_text().startswith("an older worker's words\n")


def test_a_worker_without_a_log_line_is_not_reported_with_the_line_of_an_older_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings.home / "logs").mkdir()
    (settings.home / "logs" / "worker.log").write_text("an older worker's words\n")
    _instead(monkeypatch, "raise SystemExit(1)")
    with local_workers(settings) as workers:
        workers.worker.wait()
        with pytest.raises(BrokerError, match="it said nothing"):
            workers.require_alive()


def test_a_large_log_is_moved_aside(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    (settings.home / "logs").mkdir()
    (settings.home / "logs" / "worker.log").write_text("x" * (LOG_BYTES + 1))
    _instead(monkeypatch, "pass")
    with local_workers(settings) as workers:
        assert workers.log_start == 0
    assert (settings.home / "logs" / "worker.old.log").stat().st_size == LOG_BYTES + 1


def test_a_home_that_cannot_be_written_is_one_line(settings: Settings) -> None:
    (settings.home / "logs").write_text("a file")
    with pytest.raises(BrokerError, match="--home"), local_workers(settings):
        pass


def test_what_a_stopped_worker_held_is_ready_at_once_and_lost_no_attempt(
    settings: Settings, database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    _instead(monkeypatch, "import time; time.sleep(60)")
    begin = time.monotonic()
    with local_workers(settings) as workers:
        for key, owner in (("behaviour", owners_of(workers.worker.pid) + "1/a"), ("measure/original", "else")):
            with database.transaction() as session:
                claim_cell(session, audit.id, key, owner=owner, lease_seconds=600)
    assert time.monotonic() - begin < 5
    with database.transaction() as session:
        assert progress(session, audit.id).running_keys == ("measure/original",)
        again = claim_cell(session, audit.id, "behaviour", owner="me", lease_seconds=1)
    assert again is not None
    assert again.attempt == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_without_a_broker_ends_in_good_order_at_a_signal(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """The child is asked to end and waited for; then our own handlers are as before."""
    ended = settings.home / "ended"
    code = (
        "import pathlib, signal, sys, time; "
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(ended)!r}).touch(), sys.exit(0))); "
        f"pathlib.Path({str(settings.home / 'begun')!r}).touch(); time.sleep(60)"
    )
    _instead(monkeypatch, code)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    def ask(_: str) -> None:
        while not (settings.home / "begun").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    serve_locally(settings, on_ready=ask)
    assert ended.exists()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
