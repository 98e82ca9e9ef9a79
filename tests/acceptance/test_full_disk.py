"""Nothing can be written for a while: nothing is lost, and what met the full disk at its end can be had by a retry."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from auditor.records import AuditState
from auditor.store import MAX_ATTEMPTS, Database, StoredAudit, retry_audit
from tests.acceptance.completeness import is_complete
from tests.acceptance.recovery import done, until_progress
from tests.acceptance.standin_worker import REAL_LEASE
from tests.acceptance.worker_process import PATIENCE_SECONDS, WorkerProcess, eventually
from workers.waiting import wait

NewWorker = Callable[..., WorkerProcess]
NewAudit = Callable[..., StoredAudit]
Send = Callable[[StoredAudit], int]
Note = Callable[[str, float], None]

DISK_MEBIBYTES = 8
LONG_SECONDS = 30.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 8 MiB."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("a small file system is mounted by root on Linux alone")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEBIBYTES}m", "none", str(folder)]
    refused = subprocess.run(mount, capture_output=True, text=True, check=False)
    if refused.returncode:
        pytest.skip(f"this system mounts no file system: {refused.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(params=["plain folder"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, on the small disk where a test asks for that."""
    folder = request.getfixturevalue("small_disk") if request.param == "small disk" else tmp_path
    return f"sqlite:///{folder / 'audits.sqlite3'}"


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a byte is free on this disk for the length of the block."""
    filler, block = disk / "filler", bytes(4096)

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            while True:
                file.write(block)

    with pytest.raises(OSError, match="No space left"):
        fill()
    yield
    filler.unlink()


def _is_complete_perhaps_by_a_retry(database: Database, audit: StoredAudit) -> bool:
    """Cells that met the full disk at their end three times are set aside; a retry computes them."""
    ended = wait(database, [audit.id], timeout_seconds=PATIENCE_SECONDS)[audit.id]
    if ended.audit.state is AuditState.INCOMPLETE:
        assert ended.failed <= MAX_ATTEMPTS
        with database.transaction() as session:
            retry_audit(session, audit.id)
    return is_complete(database, audit.id)


@pytest.mark.parametrize("database_url", ["small disk"], indirect=True)
@pytest.mark.parametrize("seconds", [2.0, pytest.param(LONG_SECONDS, marks=pytest.mark.soak)])
def test_the_disk_of_the_database_is_full(
    database: Database,
    small_disk: Path,
    new_audit: NewAudit,
    send: Send,
    new_worker: NewWorker,
    recovered: Note,
    seconds: float,
) -> None:
    audit = new_audit()
    worker = new_worker(seconds=0.3, more={REAL_LEASE: "1"} if seconds == LONG_SECONDS else {})
    send(audit)
    eventually(lambda: done(database, audit) > 0, "a cell is done")
    with full(small_disk):
        eventually(lambda: "full" in _log(worker), "the worker notes what it could not write")
        time.sleep(seconds)
        assert done(database, audit) < audit.cells_total
    took = until_progress(database, audit, time.monotonic())
    recovered(f"disk of the database full for {seconds:g} s", took)
    assert _is_complete_perhaps_by_a_retry(database, audit)
    assert worker.process.poll() is None


@pytest.mark.soak
def test_no_file_can_grow(
    database: Database, new_audit: NewAudit, send: Send, new_worker: NewWorker, recovered: Note
) -> None:
    audit = new_audit()
    worker = new_worker(seconds=0.3, more={REAL_LEASE: "1"})
    send(audit)
    eventually(lambda: done(database, audit) > 0, "a cell is done")

    def limit(size: int) -> None:
        for pid in worker.all:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    limit(4096)  # no file can grow beyond this: writing fails, as on a full disk
    time.sleep(LONG_SECONDS)
    limit(resource.RLIM_INFINITY)
    took = until_progress(database, audit, time.monotonic())
    recovered(f"nothing can be written for {LONG_SECONDS:g} s", took)
    assert _is_complete_perhaps_by_a_retry(database, audit)


def _log(worker: WorkerProcess) -> str:
    return worker.journal.with_suffix(".log").read_text()
