"""Celery's consumer, with short waits for a broker that is away."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from celery.worker.consumer import Consumer

RECONNECT_SECONDS: Final = 3.0
"""The longest wait between two attempts to connect. Celery's own grow to 30 s, and no setting of it reaches them."""


class PatientConsumer(Consumer):  # type: ignore[misc]
    """Tries to connect after 1, 2, 3, 3, 3, … seconds, for as long as the broker is away."""

    def ensure_connected(self, conn: Any) -> Any:
        """The connection, once it is there."""
        conn.ensure_connection = partial(
            conn.ensure_connection, interval_start=1.0, interval_step=1.0, interval_max=RECONNECT_SECONDS
        )
        return super().ensure_connected(conn)
