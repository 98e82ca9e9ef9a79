"""A worker: one main process that listens and sweeps, and a pool of forked processes that compute.

``python -m workers.serving`` serves the broker of the environment; local work starts it as a child.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from auditor.errors import BrokerError
from auditor.settings import Settings, read_settings
from auditor.store import Database, open_database
from workers.broker import ping_broker
from workers.health import Beating, new_state
from workers.options import GRACE_SECONDS, SOFT_LIMIT_SECONDS, LogFormat, LogOptions, WorkerOptions

if TYPE_CHECKING:
    from celery import Celery

_POLL_SECONDS = 0.5


def serve(settings: Settings, options: WorkerOptions | None = None) -> int:
    """Compute what comes from the broker until a signal ends it (``workers.stopping``); the exit status.

    Call it from the main thread.

    Raises:
        BrokerError: no broker URL, or no answer.
        StoreError: the database cannot be used as it is.
        WorkerStateError: a worker of this name runs already.
        AuditorError: the log cannot be written, or the address of the metrics cannot be used.
    """
    options = options or WorkerOptions()
    if settings.broker_url is None:
        raise BrokerError("no broker URL", expected="--broker-url or DYCK_AUDIT_BROKER_URL")
    ping_broker(settings.broker_url)
    open_database(settings.database_url, make_folder=settings.database_in_home).dispose()
    os.environ.update(settings.environment())  # forked pool processes read their settings there
    name = options.hostname or f"{socket.gethostname().split('.')[0]}-{os.getpid()}"
    beating = Beating(settings.home, new_state(name, concurrency=options.concurrency, version=version("dyck-audit")))
    try:
        beating.start()
        from workers.logs import set_up_logs

        set_up_logs(settings, options.logs, name)
        with _metrics(settings, options.metrics):
            return _consume(settings, options, name, beating)
    finally:
        beating.stop()


@contextmanager
def _metrics(settings: Settings, address: str | None) -> Iterator[None]:
    """Serve the metrics for the length of the block, if there is an address."""
    if address is None:
        yield
        return
    from workers.metrics import Metrics
    from workers.metrics_server import read_address, serving_metrics
    from workers.sweeper import between_forks

    database = Database(settings.database_url)
    metrics = Metrics(database, settings.home)

    def text() -> str:
        with between_forks():
            try:
                return metrics.text()
            finally:
                database.dispose()

    with serving_metrics(read_address(address), text):
        yield


def _consume(settings: Settings, options: WorkerOptions, name: str, beating: Beating) -> int:
    from celery.signals import worker_ready

    import workers.tasks  # noqa: F401 - torch is imported here, once: pool processes are forked with it
    from workers.app import app
    from workers.consuming import Consuming
    from workers.limits import limit_memory, limit_time
    from workers.owners import begin_worker
    from workers.stopping import Stopping
    from workers.sweeper import start_sweeper

    owners = begin_worker()
    app.conf.broker_url = settings.broker_url
    limit_time(app, options.time_limit)
    if options.memory_limit is not None:
        limit_memory(options.memory_limit)
    app.set_current()
    _refuse_other_tasks(app)
    _refuse_remote_control()
    _preload()
    worker = app.Worker(
        concurrency=options.concurrency,
        hostname=f"{name}@{socket.gethostname()}",
        loglevel="INFO" if options.logs.verbose else "WARNING",
        quiet=not options.logs.verbose,
        without_gossip=True,
        without_mingle=True,
    )
    ending: list[Stopping] = []

    def begin(**_: Any) -> None:
        consuming = Consuming(worker)
        beating.why_not = consuming.why_not
        stopping = Stopping(
            worker,
            database_url=settings.database_url,
            app=app,
            owners=owners,
            grace_seconds=options.grace_seconds,
        )
        ending.append(stopping)
        start_sweeper(settings.database_url, app, on_other_revision=lambda: stopping.stop(status=1))

    worker_ready.connect(begin, weak=False)
    worker.start()
    for stopping in ending:
        stopping.give_back()
        return stopping.status
    return int(worker.exitcode or 0)


def serve_locally(
    settings: Settings, options: WorkerOptions | None = None, *, on_ready: Callable[[str], None] = lambda _: None
) -> None:
    """Without a broker: compute what is ready in the database, now and later, until Ctrl-C or SIGTERM.

    The running cells are finished within the grace, or given back; a second signal gives them back now. Call it from
    the main thread.

    Raises:
        BrokerError: the local processes do not start, or end by themselves.
        KeyboardInterrupt: a second signal came.
    """
    from workers.local import local_workers

    options = options or WorkerOptions()
    open_database(settings.database_url, make_folder=settings.database_in_home).dispose()
    with local_workers(replace(settings, broker_url=None), options=options) as local, _until_signal() as stopped:
        on_ready(local.broker_url)
        while not stopped.wait(_POLL_SECONDS):
            local.require_alive()
        local.end(options.grace_seconds)


@contextmanager
def _until_signal() -> Iterator[threading.Event]:
    """What the first SIGTERM or Ctrl-C sets; the second one raises KeyboardInterrupt."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _refuse_other_tasks(app: Celery) -> None:
    """Leave the one task that is ours: a message that names another, Celery's own too, is dropped with a log line."""
    from workers.app import RUN_CELL

    for name in [name for name in app.tasks if name != RUN_CELL]:
        app.tasks.unregister(name)


def _refuse_remote_control() -> None:
    """Leave the one command that is used, the ping that counts workers: who can write to the broker could else end a
    worker, change its limits or let it take other messages. One that is refused is a log line.
    """
    from celery.worker.control import Panel

    for name in [name for name in Panel.data if name != "ping"]:
        del Panel.data[name]


def _preload() -> None:
    """Import every plug-in and its libraries before the fork; run no operation, which would make forked ones hang."""
    import captum.attr  # noqa: F401

    from auditor.contracts import equivalences, methods

    methods()
    equivalences()


def options_of(arguments: Sequence[str] | None) -> WorkerOptions:
    """The options that these words mean; None: the words of the command line."""
    parser = argparse.ArgumentParser(prog="python -m workers.serving", description=__doc__)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--hostname")
    parser.add_argument("--log-file", type=Path)
    parser.add_argument("--log-format", type=LogFormat, default=LogFormat.TEXT)
    parser.add_argument("--grace", type=float, default=GRACE_SECONDS)
    parser.add_argument("--metrics")
    parser.add_argument("--time-limit", type=float, default=SOFT_LIMIT_SECONDS)
    parser.add_argument("--memory-limit", type=int)
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args(arguments)
    return WorkerOptions(
        concurrency=given.concurrency,
        hostname=given.hostname,
        logs=LogOptions(given.log_file, given.log_format, given.verbose),
        grace_seconds=given.grace,
        metrics=given.metrics,
        time_limit=given.time_limit,
        memory_limit=given.memory_limit,
    )


def main() -> int:
    """Entry of a local worker process."""
    return serve(read_settings(), options_of(None))


if __name__ == "__main__":
    raise SystemExit(main())
