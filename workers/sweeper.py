"""A thread in a worker's main process that sweeps every few seconds.

The main process forks whenever it replaces a pool process. A fork in the middle of a sweep would copy a held lock or an
open connection into the new process, so sweeps and forks exclude each other and no connection outlives a sweep.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from celery import Celery

from auditor.errors import BrokerError, RevisionError, StoreError
from auditor.store import Database
from workers.scheduling import sweep

PERIOD_SECONDS: Final = 3.0

REST: Final = 10
"""Between two sweeps, this many times as long as the last one took: a long queue is not read all the time."""

MOST_SECONDS: Final = 6.0
"""Between two sweeps, however long they take: a cell whose worker died waits for the next one."""

_BROKER_AWAY: Final = "the broker is away"
_log = logging.getLogger(__name__)
_sweeping = threading.Lock()
os.register_at_fork(before=_sweeping.acquire, after_in_parent=_sweeping.release, after_in_child=_sweeping.release)


@contextmanager
def between_forks() -> Iterator[None]:
    """Hold forks up for the length of the block, which uses a database in the main process and lets it go."""
    with _sweeping:
        yield


def start_sweeper(
    database_url: str,
    app: Celery,
    *,
    period_seconds: float = PERIOD_SECONDS,
    on_other_revision: Callable[[], None] = lambda: None,
) -> threading.Event:
    """Sweep until the returned event is set, or the process ends.

    ``on_other_revision`` is called when the database has been brought to a revision that this version does not work
    with; nothing is sent then.
    """
    stop = threading.Event()

    def run() -> None:
        database, away = Database(database_url), ""
        while True:
            with between_forks():
                began = time.monotonic()
                away = _sweep_once(database, app, away, on_other_revision)
                took = time.monotonic() - began
            if stop.wait(max(period_seconds, min(REST * took, MOST_SECONDS)) if not away else period_seconds):
                return

    threading.Thread(target=run, name="sweeper", daemon=True).start()
    return stop


def _sweep_once(database: Database, app: Celery, before: str, on_other_revision: Callable[[], None]) -> str:
    """Why nothing could be swept, empty when it could; one line when that changes."""
    try:
        database.check_revision()
        sent = sweep(database, app)
    except RevisionError as other:
        if str(other) != before:
            _log.error("no more work is taken: %s", other)
        on_other_revision()
        return str(other)
    except BrokerError as away:  # the worker says by itself that its broker is away (workers.health)
        _log.debug("%s", away)
        return _BROKER_AWAY
    except StoreError as away:  # the next sweep finds the same cells
        if str(away) != before:
            _log.warning("%s; trying again every %.0f s", away, PERIOD_SECONDS)
        return str(away)
    except Exception:  # noqa: BLE001 - the thread's door: a worker that no longer sweeps would look healthy
        _log.exception("the sweep failed")
        return ""
    finally:
        database.dispose()
    if before not in ("", _BROKER_AWAY):
        _log.warning("the database answers again")
    if sent:
        _log.info("%d cells sent again", sent)
    return ""
