"""A thread in a worker's main process that sweeps every few seconds.

The main process forks whenever it replaces a pool process. A fork in the middle of a sweep would copy a held lock or an
open connection into the new process, so sweeps and forks exclude each other and no connection outlives a sweep.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Final

from celery import Celery

from auditor.errors import BrokerError, StoreError
from auditor.store import Database
from workers.scheduling import sweep

PERIOD_SECONDS: Final = 3.0

_log = logging.getLogger(__name__)
_sweeping = threading.Lock()
os.register_at_fork(before=_sweeping.acquire, after_in_parent=_sweeping.release, after_in_child=_sweeping.release)


def start_sweeper(database_url: str, app: Celery, *, period_seconds: float = PERIOD_SECONDS) -> threading.Event:
    """Sweep until the returned event is set, or the process ends."""
    stop = threading.Event()

    def run() -> None:
        database = Database(database_url)
        while True:
            with _sweeping:
                _sweep_once(database, app)
            if stop.wait(period_seconds):
                return

    threading.Thread(target=run, name="sweeper", daemon=True).start()
    return stop


def _sweep_once(database: Database, app: Celery) -> None:
    try:
        sent = sweep(database, app)
    except (BrokerError, StoreError) as away:  # the next sweep finds the same cells
        _log.warning("%s", away)
        return
    except Exception:  # noqa: BLE001 - the thread's door: a worker that no longer sweeps would look healthy
        _log.exception("the sweep failed")
        return
    finally:
        database.dispose()
    if sent:
        _log.info("%d cells sent again", sent)
