"""Which cells have a message on the broker that no worker has taken yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from celery import Celery
from kombu.exceptions import OperationalError

from auditor.errors import BrokerError
from auditor.store.dispatch import CellId
from auditor.urls import hide_password
from workers.app import KEY_PREFIX, QUEUE

CELL: Final = "cell"
"""The header of a message that names its cell, so that a message need not be decoded to know what it is for."""

_NAMED = re.compile(rb'"cell": ?"([^" ]+) ([^"]+)"')

_AT_ONCE: Final = 2000
"""Messages that are read together: some two megabytes."""


def queued_cells(app: Celery) -> frozenset[CellId]:
    """The cells with a message in the queue.

    The lists are read from the end where messages are added: whatever comes or goes meanwhile, none is passed over.

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
            channel = connection.default_channel
            with channel.conn_or_acquire() as client:
                return frozenset(
                    (found[1].decode(), found[2].decode())
                    for step in channel.priority_steps
                    for message in _messages(client, KEY_PREFIX + channel._q_for_pri(QUEUE, step))
                    if (found := _NAMED.search(message)) is not None
                )
        except away as error:
            raise BrokerError(
                f"the broker {hide_password(str(app.conf.broker_url))} does not answer: {reason(error)}"
            ) from error


def _messages(client: Any, name: str) -> Iterator[bytes]:
    """Every message of one list; it has one for each priority."""
    start = 0
    while found := client.lrange(name, start, start + _AT_ONCE - 1):
        yield from found
        start += len(found)


def reason(error: BaseException) -> str:
    """The first line of an error that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
