"""Whether a worker lives and whether it takes work, from a file that it rewrites every few seconds in its home.

Asking needs no broker and no database: a worker whose broker is away still lives, and is not ready. The file is
replaced as a whole, so that a reader never sees half of it, and names the process with its start time, so that another
process with the same id is not taken for the worker.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from socket import gethostname
from typing import Final

import psutil

from auditor.errors import WorkerStateError
from auditor.files.private_folder import make_private

BEAT_SECONDS: Final = 2.0
SILENT_SECONDS: Final = 30.0
"""A beat that is older: the process hangs, is stopped, or cannot write its home."""

STARTING: Final = "it is starting"
ENDING: Final = "it is ending"

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_START_FIELD = 19  # of /proc/PID/stat, counted from the one after the name (proc(5): starttime)
_START_STEP = 1.0  # seconds that two readings of one process's start time may differ


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a worker says of itself. ``beat`` is in seconds since 1970 by the clock of its machine."""

    name: str
    machine: str
    process: int
    process_started: float  # seconds after the machine did, where the system says so
    version: str
    concurrency: int
    beat: float
    ready: bool
    why_not: str  # empty when ready

    @property
    def age(self) -> float:
        """Seconds since its last beat. One that lies ahead was given before the clock was set back."""
        return abs(time.time() - self.beat)

    @property
    def is_alive(self) -> bool:
        """Whether its process runs on this machine and beats."""
        return self.runs and self.age <= SILENT_SECONDS

    @property
    def runs(self) -> bool:
        """Whether its process runs on this machine, beating or not."""
        if self.machine != gethostname():
            return False
        with suppress(psutil.Error):
            process = psutil.Process(self.process)
            return (
                abs(_started(process) - self.process_started) < _START_STEP and process.status() != psutil.STATUS_ZOMBIE
            )
        return False


def new_state(name: str, *, concurrency: int, version: str) -> WorkerState:
    """The state of this process as a worker that has just begun.

    Raises:
        WorkerStateError: a name that cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise WorkerStateError(f"the worker name {name!r}", expected="letters, digits, and - _ . after the first")
    return WorkerState(
        name=name,
        machine=gethostname(),
        process=os.getpid(),
        process_started=_started(psutil.Process()),
        version=version,
        concurrency=concurrency,
        beat=time.time(),
        ready=False,
        why_not=STARTING,
    )


class Beating:
    """Writes the state of this process into the home until it is stopped; ``why_not`` is asked at each beat."""

    def __init__(self, home: Path, state: WorkerState) -> None:
        """Raises WorkerStateError: a worker of this name runs already, or the home cannot be written."""
        self._folder, self._state = _folder(home), state
        self.why_not: Callable[[], str] = lambda: STARTING
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)
        other = next((one for one in worker_states(home) if one.name == state.name and one.runs), None)
        if other is not None and other.process != state.process:
            raise WorkerStateError(
                f"a worker named {state.name} runs here already, process {other.process}",
                action="give this one another name with --hostname",
            )
        try:
            make_private(self._folder)
            _forget_ended(home)
            self._beat(STARTING)
        except OSError as error:
            raise WorkerStateError(
                f"{self._folder} cannot be written: {error.strerror}", action="choose another --home"
            ) from error

    def start(self) -> None:
        """Beat from now on, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """No further beat; the file goes with the worker."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(BEAT_SECONDS)
        _file(self._folder, self._state.name).unlink(missing_ok=True)

    def _run(self) -> None:
        was_ready = False
        while not self._over.wait(BEAT_SECONDS):
            why_not = self.why_not()
            if was_ready == bool(why_not) and not self._over.is_set():
                was_ready = not why_not
                level = logging.WARNING if why_not and why_not != ENDING else logging.INFO
                _log.log(level, "worker %s takes %s", self._state.name, f"no work: {why_not}" if why_not else "work")
            with suppress(OSError):  # a full disk: the beat grows old, and that is what it says
                self._beat(why_not)

    def _beat(self, why_not: str) -> None:
        state = replace(self._state, beat=time.time(), ready=not why_not, why_not=why_not)
        place = _file(self._folder, state.name)
        fresh = place.with_suffix(f".{state.process}")
        fresh.write_text(json.dumps(asdict(state)), encoding="utf-8")
        fresh.replace(place)


def worker_states(home: Path) -> list[WorkerState]:
    """What the workers of this home last said, by name; files that are no state are left out."""
    return sorted(_read(_folder(home)), key=lambda state: state.name)


def worker_state(home: Path, name: str | None = None) -> WorkerState:
    """The worker with this name, else the only one on this machine.

    Raises:
        WorkerStateError: there is none, or several and no name.
    """
    found = [state for state in worker_states(home) if name in (None, state.name)]
    mine = [state for state in found if name is not None or state.machine == gethostname()]
    running = [state for state in mine if state.runs] or mine
    if len(running) > 1:
        names = ", ".join(state.name for state in running)
        raise WorkerStateError(f"{len(running)} workers run here: {names}", action="name one with --hostname")
    if not running:
        which = f"worker named {name} has run" if name else "worker runs"
        raise WorkerStateError(f"no {which} with the home {home}", action="start one with `dyck-audit worker`")
    return running[0]


def require_live(state: WorkerState) -> str:
    """One line about a worker that lives.

    Raises:
        WorkerStateError: it has ended, or has been silent for too long.
    """
    if state.machine != gethostname():
        raise WorkerStateError(f"worker {state.name} runs on {state.machine}", action="ask on that machine")
    if not state.runs:
        raise WorkerStateError(f"worker {state.name} has ended without a word, process {state.process}")
    if state.age > SILENT_SECONDS:
        raise WorkerStateError(
            f"worker {state.name} last gave a sign {state.age:.0f} s ago",
            expected=f"one every {BEAT_SECONDS:.0f} s",
            action=f"restart it: process {state.process} is stopped, or its home cannot be written",
        )
    return f"worker {state.name} lives, process {state.process}, last sign {state.age:.0f} s ago"


def require_ready(state: WorkerState) -> str:
    """One line about a worker that takes work.

    Raises:
        WorkerStateError: it does not live, or does not take work, and why.
    """
    require_live(state)
    if not state.ready:
        raise WorkerStateError(f"worker {state.name} takes no work: {state.why_not}")
    return f"worker {state.name} is ready, {state.concurrency} processes, last sign {state.age:.0f} s ago"


def _started(process: psutil.Process) -> float:
    """Seconds from the machine's start to the process's, which stay the same when the clock is set; else since 1970."""
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux, or no such process
        return process.create_time()
    return int(stat.rpartition(")")[2].split()[_START_FIELD]) / os.sysconf("SC_CLK_TCK")


def _folder(home: Path) -> Path:
    return home / "workers"


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _read(folder: Path) -> Iterator[WorkerState]:
    for file in folder.glob("*.json"):
        with suppress(OSError, ValueError, TypeError):
            yield WorkerState(**json.loads(file.read_text(encoding="utf-8")))


def _forget_ended(home: Path) -> None:
    for state in worker_states(home):
        if state.machine == gethostname() and not state.runs:
            _file(_folder(home), state.name).unlink(missing_ok=True)
