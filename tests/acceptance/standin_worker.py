"""A real worker with replaced cells and short leases, so that a test can wait for them to run out."""

from __future__ import annotations

from functools import partial

from tests.workers import standins
from workers import cells, serving
from workers.heartbeat import Heartbeat

LEASE_SECONDS = 4.0
BEAT_SECONDS = 1.0

if __name__ == "__main__":
    standins.install()
    cells.LEASE_SECONDS = LEASE_SECONDS  # type: ignore[misc]
    cells.Heartbeat = partial(  # type: ignore[assignment,misc]
        Heartbeat, lease_seconds=LEASE_SECONDS, beat_seconds=BEAT_SECONDS
    )
    serving._preload = lambda: None  # type: ignore[assignment]
    raise SystemExit(serving.main())
