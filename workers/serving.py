"""A worker: one main process that listens and sweeps, and a pool of forked processes that compute.

``python -m workers.serving`` serves the broker of the environment; local work starts it as a child.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace

from auditor.errors import BrokerError
from auditor.settings import Settings, read_settings
from auditor.store import open_database
from workers.broker import ping_broker

_POLL_SECONDS = 0.5


def serve(settings: Settings, *, concurrency: int = 2, verbose: bool = False) -> int:
    """Compute what comes from the broker until a signal ends it; the exit status. Call it from the main thread.

    SIGTERM and Ctrl-C end it after the running cells; a second one, or SIGQUIT, at once: their leases run out and
    another worker takes them over.

    Raises:
        BrokerError: no broker URL, or no answer.
        StoreError: the database cannot be used as it is.
    """
    if settings.broker_url is None:
        raise BrokerError("no broker URL", expected="--broker-url or DYCK_AUDIT_BROKER_URL")
    ping_broker(settings.broker_url)
    open_database(settings.database_url, make_folder=settings.database_in_home).dispose()
    os.environ.update(settings.environment())  # forked pool processes read their settings there

    from celery.signals import worker_ready

    import workers.tasks  # noqa: F401 - torch is imported here, once: pool processes are forked with it
    from workers.app import app
    from workers.logs import hide_passwords_in_worker
    from workers.sweeper import start_sweeper

    hide_passwords_in_worker(settings)
    app.conf.broker_url = settings.broker_url
    app.set_current()
    if not verbose:  # one line per cell is ours; Celery's two per message do not name the audit or the cell
        for name in ("celery.app.trace", "celery.worker.strategy"):
            logging.getLogger(name).setLevel(logging.WARNING)
    _preload()

    def sweep_from_now_on(**_: object) -> None:
        start_sweeper(settings.database_url, app)

    worker_ready.connect(sweep_from_now_on, weak=False)
    worker = app.Worker(
        concurrency=concurrency,
        hostname=f"dyck-audit-{os.getpid()}@{socket.gethostname()}",
        loglevel=logging.INFO,
        quiet=not verbose,
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def serve_locally(
    settings: Settings, *, concurrency: int = 2, on_ready: Callable[[str], None] = lambda _: None
) -> None:
    """Without a broker: compute what is ready in the database, now and later, until Ctrl-C.

    Raises:
        BrokerError: the local processes do not start, or end by themselves.
    """
    from workers.local import local_workers

    open_database(settings.database_url, make_folder=settings.database_in_home).dispose()
    with local_workers(replace(settings, broker_url=None), concurrency=concurrency) as local:
        on_ready(local.broker_url)
        while True:
            local.require_alive()
            time.sleep(_POLL_SECONDS)


def _preload() -> None:
    """Import every plug-in and its libraries before the fork; run no operation, which would make forked ones hang."""
    import captum.attr  # noqa: F401

    from auditor.contracts import equivalences, methods

    methods()
    equivalences()


def main() -> int:
    """Entry of a local worker process."""
    parser = argparse.ArgumentParser(prog="python -m workers.serving", description=__doc__)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    return serve(read_settings(), concurrency=arguments.concurrency, verbose=arguments.verbose)


if __name__ == "__main__":
    raise SystemExit(main())
