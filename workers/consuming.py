"""Whether a worker's main process takes messages from the broker, read from Celery's own parts without asking it."""

from __future__ import annotations

import time
from typing import Any, Final

from celery.bootsteps import RUN

from auditor.urls import hide_password
from workers.health import ENDING

QUIET_SECONDS: Final = 60.0
"""The main loop was seen to turn at least every 5 s, as often as it looks for messages that were not acknowledged."""


class Consuming:
    """Watches one worker from any thread. Make it once the worker consumes."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._turned = time.monotonic()
        worker.hub.on_tick.add(self._turn)

    def _turn(self) -> None:
        self._turned = time.monotonic()

    def why_not(self) -> str:
        """Why no message is taken; empty while they are."""
        if self._worker.blueprint.state != RUN:
            return ENDING
        consumer = self._worker.consumer
        connection = consumer.connection
        if connection is None or not connection.connected or consumer.task_consumer is None:
            return f"it has no connection to the broker {hide_password(str(self._worker.app.conf.broker_url))}"
        if consumer.blueprint.state != RUN:
            return "it is connecting to the broker"
        quiet = time.monotonic() - self._turned
        return f"its main loop has stood still for {quiet:.0f} s" if quiet > QUIET_SECONDS else ""
