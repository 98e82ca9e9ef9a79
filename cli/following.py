"""Follow audits until they are over; without a broker they are computed here, in local worker processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from cli.history import result
from cli.progress import Track, tracking

if TYPE_CHECKING:
    from collections.abc import Callable

    from auditor.settings import Settings
    from auditor.store.lifecycle import Progress
    from auditor.store.session import Database
    from cli.output import Output
    from workers.local import LocalWorkers

MOST_PROCESSES = 8
"""Each holds torch and a model in memory: some hundred megabytes."""

LOOK_SECONDS = 5.0
"""How often a waiting command checks that the broker still answers."""

COLUMNS = ("audit", "model", "plan", "state", "cells>", "result")


@contextmanager
def workers_here(settings: Settings, *, wanted: bool = True) -> Iterator[LocalWorkers | None]:
    """Local workers for :func:`follow`, started before there is anything to compute; None where a broker has its own.

    They import their libraries, which takes seconds, while this process stores the model and the audit.

    Raises:
        BrokerError: they do not start.
    """
    if settings.broker_url is not None or not wanted:
        yield None
        return
    from workers.local import local_workers

    with local_workers(settings, concurrency=processes()) as local:
        yield local


def follow(
    database: Database,
    settings: Settings,
    audit_ids: Sequence[str],
    output: Output,
    workers: LocalWorkers | None = None,
) -> dict[str, Progress]:
    """Wait until every audit is over, showing how far each is; the last progress of each.

    Without a broker ``workers`` compute, or others that are started now.

    Raises:
        BrokerError: the local processes do not start, or end by themselves.
    """
    from workers.waiting import wait

    try:
        with _computing(database, settings, audit_ids, output, workers) as check, tracking(output) as track:
            announced: set[str] = set()
            return wait(
                database, audit_ids, on_progress=lambda seen: show_progress(track, seen, announced), check=check
            )
    except KeyboardInterrupt:
        output.note(f"interrupted; what was computed is stored: `dyck-audit watch {' '.join(audit_ids)}` continues")
        raise


@contextmanager
def _computing(
    database: Database,
    settings: Settings,
    audit_ids: Sequence[str],
    output: Output,
    workers: LocalWorkers | None,
) -> Iterator[Callable[[], None]]:
    """The workers: the broker's, or local ones. Yields a check, which raises when local ones have ended."""
    if settings.broker_url is not None:
        from workers.broker import count_workers

        if not count_workers(settings.broker_url):
            output.note("no worker answers on this broker yet; start one with `dyck-audit worker`")
        yield _BrokerWatch(settings.broker_url, output).look
        return
    from workers.local import local_workers
    from workers.submission import send_audit

    with nullcontext(workers) if workers else local_workers(settings, concurrency=processes()) as local:
        for audit_id in audit_ids:
            send_audit(database, audit_id, local.broker_url)
        yield local.require_alive


class _BrokerWatch:
    """Notes while waiting that the broker stops answering, and that it answers again: workers then continue."""

    def __init__(self, url: str, output: Output) -> None:
        self._url, self._output, self._answers, self._next = url, output, True, time.monotonic() + LOOK_SECONDS

    def look(self) -> None:
        """Ask the broker, if the last time was long enough ago."""
        if time.monotonic() < self._next:
            return
        from auditor.errors import BrokerError
        from workers.broker import ping_broker

        try:
            ping_broker(self._url)
        except BrokerError as away:
            if self._answers:
                self._output.note(f"{away.found}; still waiting, Ctrl-C stops only the waiting")
            self._answers = False
        else:
            if not self._answers:
                self._output.note("the broker answers again")
            self._answers = True
        self._next = time.monotonic() + LOOK_SECONDS


def processes() -> int:
    """How many worker processes suit this machine."""
    return max(1, min(MOST_PROCESSES, os.cpu_count() or 1))


def show_progress(track: Track, seen: Mapping[str, Progress], announced: set[str]) -> None:
    """Draw how far each audit is; those that are over are announced once."""
    for audit_id, progress in seen.items():
        key = f"{audit_id} {progress.audit.model_name}"
        if not progress.is_over:
            total = progress.audit.cells_total
            words = f"{progress.done}/{total} cells · {', '.join(progress.running_keys) or 'starting'}"
            track.move(key, progress.done / total, words)
        elif audit_id not in announced:
            announced.add(audit_id)
            track.end(key, f"{progress.audit.state}: {progress.audit.headline or progress.audit.error or 'no result'}")


def summary_rows(seen: Mapping[str, Progress]) -> list[tuple[object, ...]]:
    """One row for each audit, for :data:`COLUMNS`."""
    return [
        (
            audit_id,
            progress.audit.model_name,
            progress.audit.plan_name,
            str(progress.audit.state),
            f"{progress.done}/{progress.audit.cells_total}",
            result(progress.audit),
        )
        for audit_id, progress in seen.items()
    ]


def unfinished(seen: Mapping[str, Progress], *, options: str = "") -> list[str]:
    """A line for each audit that is over and lacks something."""
    return [
        f"audit {audit_id} {_how(progress)}: {progress.audit.error or 'cancelled'}; "
        f"`dyck-audit retry {audit_id}{options}` runs again what is missing"
        for audit_id, progress in seen.items()
        if progress.audit.state != "done"
    ]


def _how(progress: Progress) -> str:
    """How an audit ended that lacks something."""
    if not progress.has_report:
        return str(progress.audit.state)
    return f"finished with failures ({progress.failed + progress.blocked} of {progress.audit.cells_total} cells)"
