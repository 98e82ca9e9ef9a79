"""Who computes the audits that this server starts: the workers of a broker, local ones of its own, or other workers."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from auditor.errors import AuditorError, BrokerError
from auditor.settings import Settings
from cli.following import processes
from cli.queueing import require_broker
from workers.local import LocalWorkers, local_workers

LOOK_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


class Computing:
    """Starts local workers where there is no broker, and starts them again when they end. A context manager.

    Enter, leave and watch it in the main thread: the processes die with the thread that started them.
    """

    def __init__(self, settings: Settings, *, wanted: bool = True) -> None:
        self._settings = settings
        self._local = wanted and settings.broker_url is None
        self._stack = ExitStack()
        self._workers: LocalWorkers | None = None
        self.problem = ""  # why nothing is computed now

    def __enter__(self) -> Computing:
        if self._local:
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._workers = None
        self._stack.close()

    @property
    def broker_url(self) -> str | None:
        """Where to send cells; None: they wait in the database for a worker."""
        return self._settings.broker_url if self._workers is None else self._workers.broker_url

    @property
    def by(self) -> str:
        """In words: who computes."""
        if self._settings.broker_url is not None:
            return "the workers of the broker"
        return "local workers of this server" if self._local else "no worker here; `dyck-audit worker` starts one"

    def require_broker(self) -> None:
        """Refuse before anything is stored.

        Raises:
            BrokerError: the broker does not answer.
        """
        require_broker(replace(self._settings, broker_url=self.broker_url))

    async def watch(self) -> None:
        """Start local workers again when they have ended, ever more rarely when they go on ending."""
        pause = LOOK_SECONDS
        while self._local:
            await asyncio.sleep(pause)
            pause = LOOK_SECONDS if self._look() else min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _look(self) -> bool:
        """Whether the workers were alive."""
        try:
            if self._workers is None:
                raise BrokerError(self.problem or "no local workers")
            self._workers.require_alive()
        except BrokerError as ended:
            _log.warning("%s; they are started again", ended)
            self.problem, self._workers = str(ended), None
            self._stack.close()
            try:
                self._start()
            except AuditorError as refused:
                self.problem = str(refused)
                _log.warning("%s", refused)
            return False
        self.problem = ""
        return True

    def _start(self) -> None:
        self._workers = self._stack.enter_context(local_workers(self._settings, concurrency=processes()))
