"""From ready cells in the database to messages on the broker. A message may come twice; a lost one is sent again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from celery import Celery
from kombu.exceptions import ChannelError, OperationalError

from auditor.errors import BrokerError
from auditor.records import ORIGINAL, RERUN, Priority, Stage
from auditor.store import Database, expired_cells, mark_dispatched, priorities, ready_cells
from auditor.store.dispatch import CellId
from auditor.urls import hide_password
from workers.app import RUN_CELL
from workers.queued import CELL, queued_cells, reason

FINISHES: Final = 0
"""Priority of what brings a begun audit to its end; Redis delivers 0 first."""

BEGINS: Final = 3

BATCH: Final = 6
"""Added for an audit of a batch, so that interactive audits go first. Redis has the steps 0, 3, 6 and 9."""

LOST_SECONDS: Final = 3.0
"""A cell that is ready for so long and whose message is not on the broker has lost it."""


def send(database: Database, app: Celery, cells: Iterable[CellId]) -> None:
    """One message per cell, in this order, but what needed another cell first overtakes what begins.

    Raises:
        BrokerError: the broker does not take them.
    """
    waiting = list(cells)
    if not waiting:
        return
    with database.transaction(read_only=True) as session:
        urgency = priorities(session, waiting)
    try:
        with app.producer_or_acquire() as producer:
            for audit_id, key in waiting:
                app.send_task(
                    RUN_CELL,
                    args=[audit_id, key],
                    priority=priority(key, urgency.get(audit_id, Priority.BATCH)),
                    headers={CELL: f"{audit_id} {key}"},
                    producer=producer,
                )
    except (OperationalError, ChannelError, OSError) as error:
        raise BrokerError(
            f"the broker {hide_password(str(app.conf.broker_url))} takes no message: {reason(error)}",
            expected="a running Redis or Valkey server",
        ) from error


def priority(key: str, urgency: Priority = Priority.INTERACTIVE) -> int:
    """Depth first: with many audits queued, the first is done before the last has begun."""
    stage, _, rest = key.partition("/")
    finishes = stage == Stage.CONCLUDE or (stage == Stage.MEASURE and rest not in (ORIGINAL, RERUN))
    return (FINISHES if finishes else BEGINS) + (BATCH if urgency is Priority.BATCH else 0)


def dispatch(database: Database, app: Celery, audit_id: str | None = None) -> int:
    """Send every ready cell, of one audit or of all; how many.

    Raises:
        BrokerError: the broker does not take them; they stay ready.
    """
    with database.transaction(read_only=True) as session:
        cells = ready_cells(session, audit_id)
    return _send_again(database, app, cells)


def sweep(database: Database, app: Celery) -> int:
    """Send again what a crashed worker held and what a lost message left lying; how many cells.

    Raises:
        BrokerError, StoreError: the broker or the database is away; the next sweep finds the same cells.
    """
    with database.transaction() as session:
        expired = expired_cells(session)
    send(database, app, expired)
    return len(expired) + _send_again(database, app, lost_cells(database, app))


def lost_cells(database: Database, app: Celery) -> list[CellId]:
    """The cells that have been ready for some seconds and have no message on the broker.

    The broker is asked before the database: a cell that is claimed in between is then no longer ready. A delivered
    message counts as lost: its cell is claimed within milliseconds, or the worker that received it has ended.

    Raises:
        BrokerError: the broker does not answer.
    """
    if not _silent(database):
        return []
    there = queued_cells(app)
    return [one for one in _silent(database) if one not in there]


def _silent(database: Database) -> list[CellId]:
    with database.transaction(read_only=True) as session:
        return ready_cells(session, not_dispatched_since=LOST_SECONDS)


def _send_again(database: Database, app: Celery, cells: list[CellId]) -> int:
    if cells:
        send(database, app, cells)
        with database.transaction() as session:
            mark_dispatched(session, cells)
    return len(cells)
