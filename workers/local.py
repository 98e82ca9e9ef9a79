"""Without a broker URL: an embedded broker and one real worker, which both end with this process.

The same tasks, messages and database as in production. The broker keeps nothing: unfinished cells are in the database.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from auditor.errors import BrokerError, StoreError
from auditor.files.private_folder import make_private
from auditor.settings import Settings
from auditor.store import Database, release_cells
from workers.child_processes import kill, last_line, start
from workers.embedded_broker import EmbeddedBroker, embedded_broker
from workers.options import KILL_SECONDS, WorkerOptions
from workers.owners import owners_of

LOG_BYTES: Final = 4_000_000
"""A log that is larger when a worker starts is moved aside."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalWorkers:
    """The local broker and worker while they run."""

    broker: EmbeddedBroker
    worker: subprocess.Popen[bytes]
    log: Path
    log_start: int  # where this worker's lines begin

    @property
    def broker_url(self) -> str:
        """Where to send."""
        return self.broker.url

    def require_alive(self) -> None:
        """Raise BrokerError when the broker or the worker has ended, with the last thing it said."""
        self.broker.require_alive()
        if self.worker.poll() is not None:
            said = last_line(self.log, self.log_start)
            raise BrokerError(
                f"the local worker ended with status {self.worker.returncode}: {said}", action=f"see {self.log}"
            )

    def end(self, grace_seconds: float) -> None:
        """Let the worker finish what it can in so many seconds and give back the rest, before the block kills it."""
        self.worker.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.worker.wait(grace_seconds + KILL_SECONDS + 1)


@contextmanager
def local_workers(
    settings: Settings, *, concurrency: int = 2, options: WorkerOptions | None = None
) -> Iterator[LocalWorkers]:
    """Start broker and worker, and kill both at the end.

    Returns before the worker is ready, which takes the seconds that importing torch takes: do something meanwhile.
    The thread that enters must outlive the block, because the processes die with it. What the worker held at the end is
    ready again in the database.

    Raises:
        BrokerError: the embedded server is missing or does not start; the log cannot be written.
    """
    log, log_start = _open_log(settings.home / "logs")
    with embedded_broker() as broker:
        # -P: a folder named "workers" in the working directory must not be taken for ours
        arguments = (options or WorkerOptions(concurrency=concurrency)).arguments()
        command = [sys.executable, "-P", "-m", "workers.serving", *arguments]
        environment = os.environ | replace(settings, broker_url=broker.url).environment()
        with log.open("ab") as sink:
            worker = start(command, environment=environment, output=sink.fileno())
        try:
            yield LocalWorkers(broker, worker, log, log_start)
        finally:
            kill(worker)
            _release(settings.database_url, owners_of(worker.pid))


def _open_log(folder: Path) -> tuple[Path, int]:
    """The log that workers append to, and its size."""
    log = folder / "worker.log"
    try:
        make_private(folder)
        log.touch()
        if log.stat().st_size > LOG_BYTES:
            log.replace(folder / "worker.old.log")
            log.touch()
        return log, log.stat().st_size
    except OSError as error:
        raise BrokerError(
            f"no log can be written in {folder}: {error.strerror}", action="choose another --home"
        ) from error


def _release(database_url: str, owners: str) -> None:
    database = Database(database_url)
    try:
        with database.transaction() as session:
            release_cells(session, owners=owners)
    except StoreError as error:  # the leases run out by themselves
        _log.warning("%s", error)
    finally:
        database.dispose()
