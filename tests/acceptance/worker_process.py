"""A worker as tests see it: a process to kill, and a journal of what its pool did."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from auditor.settings import Settings
from tests.planted import heard
from tests.workers import standins
from workers.child_processes import kill, start

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 180.0
"""A worker was seen to need a minute to start on two cores with 25 others at work; it takes 3 s on idle ones."""


@dataclass(frozen=True)
class WorkerProcess:
    """The main process of a worker."""

    process: subprocess.Popen[bytes]
    journal: Path

    @property
    def pool(self) -> list[int]:
        """The processes that compute."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def begun(self) -> dict[int, str]:
        """What each process is computing: what it began and has not ended."""
        open_cells: dict[int, str] = {}
        for line in self.journal.read_text().splitlines() if self.journal.exists() else ():
            pid, word, what = line.split(" ", 2)
            if word == "begin":
                open_cells[int(pid)] = what
            else:
                open_cells.pop(int(pid), None)
        return {pid: what for pid, what in open_cells.items() if pid in self.pool}

    def kill_one_that_computes(self, what: str = "") -> int:
        """SIGKILL a pool process in the middle of a cell, of the one named if one is; its id."""
        victims: list[int] = []

        def found() -> bool:
            victims.extend(pid for pid, cell in self.begun().items() if what in ("", cell))
            return bool(victims)

        eventually(found, f"a pool process computes {what}")
        os.kill(victims[0], signal.SIGKILL)
        return victims[0]

    @property
    def all(self) -> list[int]:
        """The main process and those that compute."""
        return [self.process.pid, *self.pool]

    def freeze(self) -> list[int]:
        """Stop every process where it is; their ids, for :func:`thaw`."""
        frozen = self.all
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        return frozen

    def kill_all(self) -> None:
        """SIGKILL the whole worker."""
        kill(self.process)


@contextmanager
def started_worker(
    settings: Settings,
    *,
    journal: Path,
    concurrency: int,
    seconds: float,
    arguments: Sequence[str] = (),
    more: Mapping[str, str] | None = None,
) -> Iterator[WorkerProcess]:
    """A worker that reads its settings from the environment, as in production, until the end of the block."""
    environment = environment_of(settings) | {
        standins.JOURNAL: str(journal),
        standins.SECONDS: str(seconds),
        "PYTHONPATH": str(ROOT),
        **(more or {}),
    }
    with journal.with_suffix(".log").open("ab") as log:
        command = [
            sys.executable,
            "-m",
            "tests.acceptance.standin_worker",
            "--concurrency",
            str(concurrency),
            *arguments,
        ]
        process = start(command, environment=environment, output=log.fileno())
    try:
        yield WorkerProcess(process, journal)
    finally:
        with suppress(psutil.Error):  # it has ended
            heard.note("the command lines of a worker's processes", *_command_lines(process.pid))
        kill(process)


def _command_lines(pid: int) -> list[str]:
    """What ``ps`` shows to everybody on the machine."""
    main = psutil.Process(pid)
    return [" ".join(one.cmdline()) for one in (main, *main.children(recursive=True))]


def thaw(pids: Sequence[int]) -> None:
    """Let stopped processes go on."""
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def environment_of(settings: Settings) -> Mapping[str, str]:
    """The environment of a process with these settings and one thread."""
    return {**os.environ, **settings.environment(), "OMP_NUM_THREADS": "1"}


def eventually(happened: Callable[[], bool], what: str, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something has happened, or fail the test."""
    until = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


def free_port() -> int:
    """A port of this machine on which no process listens now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
