"""The numbers of a database for Prometheus, in its text format.

Everything is read from SQL, so that one process gives the numbers of all workers: scrape one, not each. Counters begin
with the cells of the last day; later readings add what ended since. Removing audits does not take them back.
Format: prometheus.io/docs/instrumenting/exposition_formats
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from socket import gethostname
from typing import Final

from auditor.records import AuditState, CellState
from auditor.store import Database
from auditor.store.activity import Ended, Queue, ended_cells, queue
from workers.health import worker_states

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
"""Seconds: a cell of plan quick takes tenths, a twin of plan full minutes, two hours is the limit."""

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


class _Distribution:
    """A histogram that grows."""

    def __init__(self) -> None:
        self.number, self.seconds, self.at_most = 0, 0.0, [0] * len(BOUNDS)

    def add(self, number: int, seconds: float, at_most: Iterable[int]) -> None:
        self.number += number
        self.seconds += seconds
        self.at_most = [before + more for before, more in zip(self.at_most, at_most, strict=True)]


class Metrics:
    """The metrics of one database. Keep one for the life of a process: it reads only what is new."""

    def __init__(self, database: Database, home: Path | None = None) -> None:
        """With ``home`` also the workers that share it are described."""
        self._database, self._home = database, home
        self._one_at_a_time = threading.Lock()
        self._until: datetime | None = None
        self._computing: dict[str, _Distribution] = {}
        self._waiting: dict[str, _Distribution] = {}
        self._ended: dict[tuple[str, str], int] = {}
        self._repeated: dict[str, int] = {}

    def text(self) -> str:
        """All metrics now.

        Raises:
            StoreError: the database cannot be used.
        """
        with self._one_at_a_time:
            with self._database.transaction(read_only=True) as session:
                now = queue(session)
                until, ended = ended_cells(session, BOUNDS, after=self._until)
            self._until = until
            for one in ended:
                self._add(one)
            lines = [*_of_queue(now), *self._of_cells()]
        if self._home is not None:
            lines += _of_workers(self._home)
        return "\n".join(lines) + "\n"

    def _add(self, one: Ended) -> None:
        computing = self._computing.setdefault(one.stage, _Distribution())
        computing.add(one.number, one.computing, one.computing_at_most)
        waiting = self._waiting.setdefault(one.stage, _Distribution())
        waiting.add(one.number, one.waiting, one.waiting_at_most)
        place = (one.stage, one.state)
        self._ended[place] = self._ended.get(place, 0) + one.number
        self._repeated[one.stage] = self._repeated.get(one.stage, 0) + one.repeated

    def _of_cells(self) -> Iterable[str]:
        ended = [({"stage": stage, "state": state}, number) for (stage, state), number in sorted(self._ended.items())]
        yield from _metric("cells_ended_total", "counter", "Cells that ended, done or failed.", ended)
        repeated = [({"stage": stage}, number) for stage, number in sorted(self._repeated.items())]
        words = "Attempts beyond the first of cells that ended: after an error or a lost worker."
        yield from _metric("cell_attempts_repeated_total", "counter", words, repeated)
        yield from _histogram("cell_seconds", "Time from claim to end of a cell's last attempt.", self._computing)
        words = "Time from being handed to the broker to the claim of a cell's last attempt."
        yield from _histogram("cell_queue_seconds", words, self._waiting)


def _of_queue(now: Queue) -> Iterable[str]:
    audits = [({"state": str(state)}, now.audits.get(state, 0)) for state in AuditState]
    yield from _metric("audits", "gauge", "Audits by state.", audits)
    states = [state for state in CellState if state is not CellState.DONE]
    cells = [({"state": str(state)}, now.cells.get(state, 0)) for state in states]
    yield from _metric(
        "cells", "gauge", "Cells of queued and running audits by state; ready ones are the queue.", cells
    )
    words = "Seconds since the longest waiting ready cell was last handed to the broker."
    yield from _metric("oldest_ready_cell_seconds", "gauge", words, [({}, now.oldest_ready)])
    words = "Running cells whose worker was not seen in time; workers take them over within seconds."
    yield from _metric("leases_expired", "gauge", words, [({}, now.expired_leases)])
    yield from _metric("cells_failed", "gauge", "Cells of all audits that failed for good.", [({}, now.failed_cells)])


def _of_workers(home: Path) -> Iterable[str]:
    mine = [state for state in worker_states(home) if state.machine == gethostname()]
    ready = [({"worker": state.name}, float(state.is_alive and state.ready)) for state in mine]
    yield from _metric("worker_ready", "gauge", "1 for a worker of this home that lives and takes work.", ready)
    signs = [({"worker": state.name}, state.age) for state in mine]
    yield from _metric("worker_last_sign_seconds", "gauge", "Seconds since a worker of this home gave a sign.", signs)


def _metric(name: str, kind: str, words: str, samples: Iterable[Sample]) -> Iterable[str]:
    yield f"# HELP dyck_audit_{name} {words}"
    yield f"# TYPE dyck_audit_{name} {kind}"
    for labels, value in samples:
        yield f"dyck_audit_{name}{_labelled(labels)} {value:.12g}"


def _histogram(name: str, words: str, by_stage: Mapping[str, _Distribution]) -> Iterable[str]:
    yield f"# HELP dyck_audit_{name} {words}"
    yield f"# TYPE dyck_audit_{name} histogram"
    for stage, found in sorted(by_stage.items()):
        for bound, number in zip(BOUNDS, found.at_most, strict=True):
            yield f"dyck_audit_{name}_bucket{_labelled({'stage': stage, 'le': f'{bound:g}'})} {number}"
        yield f"dyck_audit_{name}_bucket{_labelled({'stage': stage, 'le': '+Inf'})} {found.number}"
        yield f"dyck_audit_{name}_sum{_labelled({'stage': stage})} {found.seconds:.12g}"
        yield f"dyck_audit_{name}_count{_labelled({'stage': stage})} {found.number}"


def _labelled(labels: Labels) -> str:
    if not labels:
        return ""
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
