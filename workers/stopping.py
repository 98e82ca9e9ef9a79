"""How a worker ends: its running cells are finished, or given back at once for another worker.

    SIGTERM, Ctrl-C      takes no more work, finishes what it can within the grace, gives back the rest
    SIGQUIT, a second    gives back everything now
    Ctrl-C

Giving back stops the processes that compute, makes their cells ready again in the database without counting the
attempt, and sends them once more. Celery's own soft shutdown is not used: it sleeps for its whole time in the signal's
handler, during which no finished cell is acknowledged.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType
from typing import Any

from celery import Celery
from celery.apps.worker import install_worker_term_hard_handler
from celery.worker import state as celery_state

from auditor.errors import BrokerError, StoreError
from auditor.store import Database, release_cells
from workers.options import KILL_SECONDS
from workers.scheduling import send

_log = logging.getLogger(__name__)


class Stopping:
    """Ends one worker on a signal. Make it in the main thread, once the worker consumes."""

    def __init__(self, worker: Any, *, database_url: str, app: Celery, owners: str, grace_seconds: float) -> None:
        self._database_url, self._app, self._owners = database_url, app, owners
        self._grace_seconds = grace_seconds
        self._begun = False
        self._given_back = threading.Lock()
        self.status = 0
        install_worker_term_hard_handler(worker, exitcode=0, verbose=False)
        self._celery_at_once = signal.getsignal(signal.SIGQUIT)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGINT, self._on_interrupt)
        signal.signal(signal.SIGQUIT, self._on_quit)

    def stop(self, status: int = 0) -> None:
        """Take no more work, and end within the grace; from any thread."""
        if self._begun:
            return
        self._begun, self.status = True, status
        celery_state.should_stop = 0
        self._later(self._grace_seconds, lambda: os.kill(os.getpid(), signal.SIGQUIT))

    def give_back(self) -> None:
        """Make what the worker still holds ready again and send it; what cannot be given back waits for its lease."""
        if not self._given_back.acquire(blocking=False):
            return
        database = Database(self._database_url)
        try:
            with database.transaction() as session:
                cells = release_cells(session, owners=self._owners)
            send(database, self._app, cells)
        except (BrokerError, StoreError) as away:
            _log.warning("running cells are not given back and wait for their leases: %s", away)
        else:
            if cells:
                _log.info("%d running cells given back", len(cells))
        finally:
            database.dispose()

    def _on_term(self, _number: int, _frame: FrameType | None) -> None:
        self.stop()

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._begun:
            self._on_quit(number, frame)
        self.stop()

    def _on_quit(self, number: int, frame: FrameType | None) -> None:
        self._begun = True
        self._later(KILL_SECONDS, self._end_now)
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        if callable(self._celery_at_once):
            self._celery_at_once(number, frame)

    def _end_now(self) -> None:
        """Celery hangs: the kernel ends its processes with this one."""
        self.give_back()
        os._exit(self.status)

    @staticmethod
    def _later(seconds: float, what: Any) -> None:
        timer = threading.Timer(seconds, what)
        timer.daemon = True
        timer.start()
