"""A thread that keeps a cell's lease while another computes, and stops that one when the cell was taken away."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Final, Self

from auditor.errors import StoreError
from auditor.store import ClaimedCell, Database, LostLeaseError, extend_lease
from workers.interruption import arm, disarm, interrupt

LEASE_SECONDS: Final = 12.0
"""How long a cell stays taken after its worker was last seen: the delay after a crash."""

BEAT_SECONDS: Final = 2.0
"""Between two extensions, and so how long a cancelled cell goes on. SQLite writers were seen to wait 1.8 s at most, so
some late beats lose nothing."""

AGAIN_SECONDS: Final = 1.0
"""Between two attempts to stop a computation that swallows the exception."""

_log = logging.getLogger(__name__)


class TakenAwayError(LostLeaseError):
    """Raised in the middle of a computation whose cell belongs to another worker, or whose audit was cancelled."""

    def __init__(self) -> None:
        super().__init__(
            "the cell was taken over or its audit cancelled", expected="its owner", action="discard what it computed"
        )


class Heartbeat:
    """Extends the lease of one claimed cell for as long as the ``with`` block lasts.

    When the cell is taken away, :class:`TakenAwayError` is raised in the block, wherever it is; in another
    thread than the main one only :meth:`check` raises.
    """

    def __init__(
        self,
        database: Database,
        claimed: ClaimedCell,
        *,
        lease_seconds: float = LEASE_SECONDS,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self._database = database
        self._claimed = claimed
        self._lease_seconds = lease_seconds
        self._beat_seconds = beat_seconds
        self._armed = False
        self._over = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat {claimed.cell.key}", daemon=True)

    def __enter__(self) -> Self:
        """Start beating; armed last, since what is raised before the block has begun would never be disarmed."""
        self._thread.start()
        self._armed = arm(TakenAwayError, never_in=(Heartbeat.__enter__.__code__, Heartbeat.__exit__.__code__))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop beating and wait for a beat that is under way, so that none comes after the end of the cell."""
        if self._armed:
            disarm()
        self._over.set()
        self._thread.join()

    def check(self, _share: float = 0.0, _words: str = "") -> None:
        """Raise LostLeaseError once the cell was taken over or cancelled. Fits where a progress callback is wanted."""
        if self._lost.is_set():
            cell = self._claimed
            raise LostLeaseError(
                f"cell {cell.cell.key} of audit {cell.audit_id} was taken over or cancelled",
                expected="its owner",
                action="discard what it computed",
            )

    def _beat(self) -> None:
        cell = self._claimed
        while not self._over.wait(self._beat_seconds):
            try:
                with self._database.transaction() as session:
                    held = extend_lease(
                        session, cell.audit_id, cell.cell.key, owner=cell.owner, lease_seconds=self._lease_seconds
                    )
            except StoreError as error:  # the database may come back; the fence at the end decides
                _log.warning("lease of %s not extended: %s", cell.cell.key, error)
                continue
            if not held:
                self._stop_computing()
                return

    def _stop_computing(self) -> None:
        self._lost.set()
        while not self._over.is_set():
            if self._armed:
                interrupt()
            self._over.wait(AGAIN_SECONDS)
