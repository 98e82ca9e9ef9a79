"""How a real worker starts, says how it is, and ends: signals, health, logs, another revision, a broker that goes."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from auditor.errors import WorkerStateError
from auditor.records import AuditState
from auditor.settings import Settings
from auditor.store import Database, StoredAudit, get_audit, progress
from tests.acceptance.broker_server import with_password
from tests.acceptance.command_line import run
from tests.acceptance.worker_process import PATIENCE_SECONDS, WorkerProcess, eventually, free_port, started_worker
from workers.app import QUEUE, RUN_CELL, create_app
from workers.embedded_broker import embedded_broker
from workers.health import require_ready, worker_state
from workers.sweeper import PERIOD_SECONDS
from workers.waiting import wait

NewWorker = Callable[..., WorkerProcess]
NewAudit = Callable[[], StoredAudit]
Send = Callable[[StoredAudit], int]

LONG_SECONDS = 300.0
"""A cell that would take so long is interrupted in these tests."""


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The kinds of database behave alike here: tests/acceptance/test_delivery.py."""
    return f"sqlite:///{tmp_path / 'audits.sqlite3'}"


def test_health_json_lines_and_an_end_that_finishes_what_runs(
    settings: Settings, tmp_path: Path, database: Database, new_audit: NewAudit, send: Send, new_worker: NewWorker
) -> None:
    file, audit, address = tmp_path / "worker.jsonl", new_audit(), f"127.0.0.1:{free_port()}"
    options = ("--hostname", "one", "--log-file", str(file), "--log-format", "json", "--grace", "60")
    worker = new_worker(*options, "--metrics", address, seconds=2.0)
    send(audit)
    eventually(lambda: len(worker.begun()) == 2, "two cells run")
    running = set(worker.begun().values())
    eventually(lambda: _is_ready(settings, "one"), "the worker is ready")
    said = run(settings, "worker", "--health", "ready").stdout
    assert said.startswith("worker one is ready, 2 processes")
    refused = run(settings, "worker", "--hostname", "one", expect=1).stderr
    assert f"a worker named one runs here already, process {worker.process.pid}" in refused
    eventually(
        lambda: 'dyck_audit_cells{state="running"} 2' in _metrics(address), "the metrics show both running cells"
    )
    assert 'dyck_audit_worker_ready{worker="one"} 1' in _metrics(address)
    pool = worker.pool
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(60) == 0
    assert "no worker runs" in run(settings, "worker", "--health", "live", expect=1).stderr
    journal = worker.journal.read_text()
    assert all(f"end {one}" in journal for one in running)
    with database.transaction(read_only=True) as session:
        after = progress(session, audit.id)
    assert (after.done, after.running) == (journal.count(" begin "), 0)
    done = {line["cell"]: line for line in _lines(file) if " done in " in line["message"]}
    assert len(done) == after.done
    for key, line in done.items():
        assert (line["audit"], line["attempt"], line["worker"]) == (audit.id, 1, "one")
        assert line["process"] in pool
        assert line["time"].endswith("+00:00")
        assert (line["level"], line["logger"]) == ("info", "workers.cells")
        assert key in line["message"]
    assert _log(worker) == ""


def test_what_cannot_be_finished_goes_to_another_worker_which_takes_no_foreign_task_and_no_foreign_tables(
    database: Database, tmp_path: Path, new_audit: NewAudit, send: Send, new_worker: NewWorker, broker_url: str
) -> None:
    audit = new_audit()
    first = new_worker("--grace", "0.5", concurrency=1, seconds=LONG_SECONDS)
    send(audit)
    eventually(lambda: len(first.begun()) == 1, "a cell runs")
    (held,) = first.begun().values()
    second = new_worker(concurrency=1, seconds=0.0)
    eventually(lambda: _in_state(database, audit, "running") == [held], "the other cells are done or wait for it")
    first.process.send_signal(signal.SIGTERM)
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(60) == 0
    ended = wait(database, [audit.id], timeout_seconds=PATIENCE_SECONDS)[audit.id]
    assert ended.audit.state is AuditState.DONE
    assert set(_attempts(database, audit)) == {1}, "the cell was given back, not lost"
    assert "1 running cells given back" in _log(first)

    _send_what_is_not_ours(broker_url, tmp_path / "executed")
    _give_orders(broker_url)
    after_it = new_audit()
    send(after_it)
    assert wait(database, [after_it.id], timeout_seconds=PATIENCE_SECONDS)[after_it.id].audit.state is AuditState.DONE
    assert not (tmp_path / "executed").exists()
    assert second.process.poll() is None

    with closing(sqlite3.connect(tmp_path / "audits.sqlite3")) as file, file:
        file.execute("UPDATE alembic_version SET version_num = '20200101_older'")
    other = new_audit()
    send(other)
    assert second.process.wait(60) == 1
    assert "dyck-audit db upgrade" in _log(second)
    with database.transaction(read_only=True) as session:
        found = get_audit(session, other.id)
    assert (found.state, found.cells_done, found.cells_failed) == (AuditState.QUEUED, 0, 0)
    assert set(_attempts(database, other)) == {0}


def test_a_worker_whose_broker_goes_lives_is_not_ready_says_so_once_and_gives_back(
    settings: Settings, database: Database, tmp_path: Path, new_audit: NewAudit
) -> None:
    with embedded_broker() as broker:
        shared = replace(settings, broker_url=with_password(broker.url))
        options = ["--hostname", "one", "--grace", "60"]
        with started_worker(
            shared, journal=tmp_path / "journal", concurrency=1, seconds=LONG_SECONDS, arguments=options
        ) as worker:
            audit = new_audit()  # its first cell is sent by the worker's own sweep
            eventually(lambda: len(worker.begun()) == 1, "a cell runs")
            eventually(lambda: _is_ready(settings, "one"), "the worker is ready")
            broker.process.kill()
            eventually(lambda: not _is_ready(settings, "one"), "the worker is not ready")
            assert "worker one lives" in run(settings, "worker", "--health", "live").stdout
            assert "no connection to the broker" in run(settings, "worker", "--health", "ready", expect=1).stderr
            eventually(lambda: "takes no work: it has no connection to the broker" in _log(worker), "it says so")
            with suppress(AssertionError):  # nothing more comes in the time of two more sweeps
                eventually(lambda: len(_complaints(worker)) > 1, "another line", seconds=2 * PERIOD_SECONDS)
            assert len(_complaints(worker)) == 1, _log(worker)
            worker.process.send_signal(signal.SIGQUIT)
            worker.process.wait(60)
    assert _in_state(database, audit, "running") == []
    assert set(_attempts(database, audit)) == {0}


def test_a_log_that_cannot_be_written_is_one_line(settings: Settings, database: Database) -> None:
    said = run(settings, "worker", "--log-file", "/nowhere/worker.log", expect=1).stderr.splitlines()
    assert "the log /nowhere/worker.log cannot be written" in said[-1]
    assert "Traceback" not in "".join(said)


def _send_what_is_not_ours(broker_url: str, file: Path) -> None:
    """Messages for the workers' queue: a pickle that makes a file, tasks of others, ours with wrong arguments."""
    app, line = create_app(broker_url), f"open({str(file)!r}, 'w').close()"
    pickle = b"cbuiltins\nexec\n(V" + line.encode() + b"\ntR."  # what unpickling would run
    with app.producer_or_acquire() as producer:
        headers = {"task": RUN_CELL, "id": "1", "lang": "py", "argsrepr": "", "kwargsrepr": ""}
        for kind, encoding in (("application/x-python-serialize", "binary"), ("application/json", "utf-8")):
            producer.publish(
                pickle, content_type=kind, content_encoding=encoding, headers=headers, routing_key=QUEUE, exchange=""
            )
        for task, arguments in (
            ("os.system", [f"touch {file}"]),
            ("celery.starmap", [{"task": RUN_CELL}, [[1, 2]]]),
            ("celery.backend_cleanup", []),
            (RUN_CELL, []),
            (RUN_CELL, [{"a": 1}, ["b"], 3]),
            (RUN_CELL, ["no such audit", "no such cell"]),
        ):
            app.send_task(task, args=arguments, producer=producer)


def _give_orders(broker_url: str) -> None:
    """What Celery's remote control would do to a worker; and what it would tell."""
    control = create_app(broker_url).control
    orders: dict[str, dict[str, Any]] = {
        "cancel_consumer": {"queue": QUEUE},
        "pool_shrink": {"n": 1},
        "rate_limit": {"task_name": RUN_CELL, "rate_limit": "1/h"},
        "time_limit": {"task_name": RUN_CELL, "soft": 0.001, "hard": 0.001},
        "shutdown": {},
        "conf": {},
        "stats": {},
    }
    for order, arguments in orders.items():
        (answer,) = control.broadcast(order, arguments=arguments, reply=True, timeout=10.0, limit=1)
        assert list(answer.values()) == [{"error": f"KeyError('{order}')"}]
    assert control.ping(timeout=5.0, limit=1)


def _log(worker: WorkerProcess) -> str:
    return worker.journal.with_suffix(".log").read_text()


def _complaints(worker: WorkerProcess) -> list[str]:
    """All lines but those of a worker that does its work."""
    return [line for line in _log(worker).splitlines() if " INFO " not in line]


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def _attempts(database: Database, audit: StoredAudit) -> list[int]:
    with database.transaction(read_only=True) as session:
        rows = session.exec_driver_sql("SELECT attempt FROM cell WHERE audit_id = ?", (audit.id,))
        return [row[0] for row in rows]


def _in_state(database: Database, audit: StoredAudit, state: str) -> list[str]:
    query = "SELECT key FROM cell WHERE audit_id = ? AND state = ?"
    with database.transaction(read_only=True) as session:
        return [row[0] for row in session.exec_driver_sql(query, (audit.id, state))]


def _metrics(address: str) -> str:
    with urlopen(f"http://{address}/metrics") as answer:
        text: str = answer.read().decode()
    return text


def _is_ready(settings: Settings, name: str) -> bool:
    try:
        return bool(require_ready(worker_state(settings.home, name)))
    except WorkerStateError:
        return False
