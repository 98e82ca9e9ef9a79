"""From ready cells in the database to messages on the broker. A message may come twice; a lost one is sent again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from celery import Celery
from kombu.exceptions import ChannelError, OperationalError

from auditor.errors import BrokerError
from auditor.records import ORIGINAL, RERUN, Stage
from auditor.store import Database, expired_cells, mark_dispatched, ready_cells
from auditor.store.dispatch import CellId
from auditor.urls import hide_password
from workers.app import QUEUE, RUN_CELL

FINISHES: Final = 0
"""Priority of what brings a begun audit to its end; Redis delivers 0 first."""

BEGINS: Final = 3

LOST_SECONDS: Final = 3.0
"""A cell that is ready for so long while nothing is queued has lost its message."""

STALE_SECONDS: Final = 600.0
"""The same while other messages are queued: its own may just be waiting."""


def send(app: Celery, cells: Iterable[CellId]) -> None:
    """One message per cell, in this order, but what needed another cell first overtakes what begins.

    Raises:
        BrokerError: the broker does not take them.
    """
    waiting = list(cells)
    if not waiting:
        return
    try:
        with app.producer_or_acquire() as producer:
            for audit_id, key in waiting:
                app.send_task(RUN_CELL, args=[audit_id, key], priority=priority(key), producer=producer)
    except (OperationalError, ChannelError, OSError) as error:
        raise BrokerError(
            f"the broker {hide_password(str(app.conf.broker_url))} takes no message: {_reason(error)}",
            expected="a running Redis or Valkey server",
        ) from error


def priority(key: str) -> int:
    """Depth first: with many audits queued, the first is done before the last has begun."""
    stage, _, rest = key.partition("/")
    if stage == Stage.CONCLUDE or (stage == Stage.MEASURE and rest not in (ORIGINAL, RERUN)):
        return FINISHES
    return BEGINS


def dispatch(database: Database, app: Celery, audit_id: str | None = None, *, not_sent_for: float = 0.0) -> int:
    """Send every ready cell, of one audit or of all, that was not sent in the last so many seconds; how many.

    Raises:
        BrokerError: the broker does not take them; they stay ready.
    """
    with database.transaction(read_only=True) as session:
        cells = ready_cells(session, audit_id, not_dispatched_since=not_sent_for)
    if cells:
        send(app, cells)
        with database.transaction() as session:
            mark_dispatched(session, cells)
    return len(cells)


def sweep(database: Database, app: Celery) -> int:
    """Send again what a crashed worker held and what a lost message left lying; how many cells.

    Raises:
        BrokerError, StoreError: the broker or the database is away; the next sweep finds the same cells.
    """
    with database.transaction() as session:
        expired = expired_cells(session)
    send(app, expired)
    patience = STALE_SECONDS if queued(app) else LOST_SECONDS
    return len(expired) + dispatch(database, app, not_sent_for=patience)


def queued(app: Celery) -> int:
    """Messages that no worker has taken yet.

    Raises:
        BrokerError: the broker does not answer.
    """
    with app.connection_for_read() as connection:
        away: tuple[type[Exception], ...] = (
            OperationalError,
            OSError,
            *connection.connection_errors,
            *connection.channel_errors,
        )
        try:
            connection.ensure_connection(max_retries=1, interval_start=0.2)
            # not passive: kombu 5.7 looks for the queue without its key prefix and would never find it
            return int(app.amqp.queues[QUEUE](connection.default_channel).queue_declare().message_count)
        except away as error:
            raise BrokerError(
                f"the broker {hide_password(str(app.conf.broker_url))} does not answer: {_reason(error)}"
            ) from error


def _reason(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
