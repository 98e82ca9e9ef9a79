"""A real worker with replaced cells and short leases, so that a test can wait for them to run out."""

from __future__ import annotations

import os
from functools import partial

from tests.workers import standins
from workers import cells, limits, serving
from workers.heartbeat import Heartbeat

LEASE_SECONDS = 4.0
BEAT_SECONDS = 1.0
REAL_LEASE = "DYCK_AUDIT_TEST_REAL_LEASE"
"""Set in the environment: the lease of production."""
HARD_EXTRA = "DYCK_AUDIT_TEST_HARD_EXTRA"
"""Seconds from the soft time limit of a cell to the hard one."""


def _shorten_leases() -> None:
    cells.LEASE_SECONDS = LEASE_SECONDS  # type: ignore[misc]
    cells.Heartbeat = partial(  # type: ignore[assignment,misc]
        Heartbeat, lease_seconds=LEASE_SECONDS, beat_seconds=BEAT_SECONDS
    )


if __name__ == "__main__":
    standins.install()
    if REAL_LEASE not in os.environ:
        _shorten_leases()
    if HARD_EXTRA in os.environ:
        limits.HARD_EXTRA_SECONDS = float(os.environ[HARD_EXTRA])  # type: ignore[misc]
    serving._preload = lambda: None  # type: ignore[assignment]
    raise SystemExit(serving.main())
