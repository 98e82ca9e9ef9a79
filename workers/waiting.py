"""Waiting for audits: their progress is read from the database, wherever they are computed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from auditor.store import Database, Progress, progress

_REST: Final = 4
"""Sleep this many times as long as a poll takes: waiting for hundreds of audits must not starve who computes them."""


def wait(
    database: Database,
    audit_ids: Sequence[str],
    *,
    on_progress: Callable[[Mapping[str, Progress]], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
    poll_seconds: float = 0.2,
    timeout_seconds: float | None = None,
) -> dict[str, Progress]:
    """Poll until every audit is done, failed or cancelled; the last progress of each, in the order given.

    ``on_progress`` sees every poll. ``check`` may raise to end the wait, as ``LocalWorkers.require_alive`` does. After
    ``timeout_seconds`` the progress so far is returned. Ctrl-C leaves the audits as they are: their running cells are
    taken over when their leases have run out.

    Raises:
        NotFoundError: no such audit.
    """
    until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    seen: dict[str, Progress] = {}
    while True:
        began = time.monotonic()
        with database.transaction(read_only=True) as session:
            for audit_id in audit_ids:
                if audit_id not in seen or not seen[audit_id].is_over:
                    seen[audit_id] = progress(session, audit_id)
        on_progress(seen)
        if all(found.is_over for found in seen.values()) or (until is not None and time.monotonic() >= until):
            return seen
        check()
        time.sleep(max(poll_seconds, _REST * (time.monotonic() - began)))
