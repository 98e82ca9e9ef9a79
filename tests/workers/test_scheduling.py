"""Which messages are sent, in which order, and when again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
import redis
from celery import Celery

from auditor.errors import BrokerError
from auditor.records import Priority
from auditor.store import Database, StoredAudit, cancel_audit, claim_cell, raise_priority, ready_cells
from tests.auditor.store.samples import TWIN
from workers import scheduling
from workers.app import QUEUE, create_app
from workers.embedded_broker import embedded_broker
from workers.queued import queued_cells
from workers.scheduling import BATCH, BEGINS, FINISHES, dispatch, priority, send, sweep

AT_ONCE = ["behaviour", f"build/{TWIN}", "measure/original"]


@pytest.fixture(scope="module")
def _server() -> Iterator[str]:
    with embedded_broker() as broker:
        yield broker.url


@pytest.fixture
def app(_server: str) -> Iterator[Celery]:
    """A Celery object on an empty queue."""
    app = create_app(_server)
    yield app
    _receive(app)
    app.close()


def _receive(app: Celery) -> list[str]:
    """The keys of the queued messages in the order they are delivered."""
    keys = []
    with app.connection_for_read() as connection:
        queue = app.amqp.queues[QUEUE](connection.default_channel)
        while (message := queue.get(no_ack=True)) is not None:
            (arguments, _, _) = json.loads(message.body)
            keys.append(arguments[1])
    return keys


def test_what_needed_another_cell_overtakes_what_begins(database: Database, audit: StoredAudit, app: Celery) -> None:
    a = audit.id
    send(database, app, [(a, "behaviour"), (a, "measure/original"), (a, f"measure/{TWIN}"), (a, "conclude")])
    assert _receive(app) == [f"measure/{TWIN}", "conclude", "behaviour", "measure/original"]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("behaviour", BEGINS),
        (f"build/{TWIN}", BEGINS),
        ("measure/original", BEGINS),
        ("measure/original/again", BEGINS),
        (f"measure/{TWIN}", FINISHES),
        ("conclude", FINISHES),
    ],
)
def test_priorities(key: str, expected: int) -> None:
    assert priority(key) == expected


def test_the_ready_cells_are_sent_in_the_order_of_the_plan(database: Database, audit: StoredAudit, app: Celery) -> None:
    assert dispatch(database, app, audit.id) == len(AT_ONCE)
    assert queued_cells(app) == {(audit.id, key) for key in AT_ONCE}
    assert _receive(app) == AT_ONCE


def test_nothing_is_sent_for_a_cancelled_audit(database: Database, audit: StoredAudit, app: Celery) -> None:
    with database.transaction() as session:
        cancel_audit(session, audit.id)
    assert dispatch(database, app) == 0
    assert queued_cells(app) == frozenset()


def test_a_lost_message_is_sent_again_when_nothing_is_queued(
    database: Database, audit: StoredAudit, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "LOST_SECONDS", 0.0)
    assert sweep(database, app) == len(AT_ONCE)
    assert sweep(database, app) == 0, "the messages wait in the queue: they are not lost"
    assert _receive(app) == AT_ONCE


def test_the_lost_part_of_the_messages_is_sent_again_while_others_are_queued(
    database: Database, audit: StoredAudit, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "LOST_SECONDS", 0.0)
    dispatch(database, app)
    with app.connection_for_read() as connection:  # a worker takes the first message and dies before it claims
        assert app.amqp.queues[QUEUE](connection.default_channel).get(no_ack=True) is not None
    assert sweep(database, app) == 1
    assert sweep(database, app) == 0
    assert sorted(_receive(app)) == sorted(AT_ONCE)


def test_a_long_queue_is_read_whole(
    database: Database, audit: StoredAudit, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.queued._AT_ONCE", 2)
    cells = [(audit.id, f"build/{number}") for number in range(7)]
    send(database, app, cells)
    assert queued_cells(app) == frozenset(cells)


def test_what_somebody_waits_for_overtakes_a_batch(
    database: Database, new_audit: Callable[..., StoredAudit], app: Celery
) -> None:
    batch, waited_for = new_audit(priority=Priority.BATCH), new_audit()
    with database.transaction() as session:
        assert [one for one, _ in ready_cells(session)] == [waited_for.id] * 3 + [batch.id] * 3
        raise_priority(session, waited_for.id, Priority.BATCH)  # never down
    send(database, app, [(batch.id, "conclude"), (batch.id, "behaviour"), (waited_for.id, "behaviour")])
    send(database, app, [(waited_for.id, "conclude")])
    assert _receive(app) == ["conclude", "behaviour", "conclude", "behaviour"]
    assert priority("behaviour", Priority.BATCH) == BEGINS + BATCH
    with database.transaction() as session:
        raise_priority(session, batch.id, Priority.INTERACTIVE)
        assert ready_cells(session)[0][0] == batch.id


def test_a_cell_handed_over_just_now_is_not_sent_again(database: Database, audit: StoredAudit, app: Celery) -> None:
    assert sweep(database, app) == 0


def test_what_a_dead_worker_held_is_sent_again(
    database: Database, new_audit: Callable[..., StoredAudit], app: Celery
) -> None:
    audit = new_audit()
    with database.transaction() as session:
        claim_cell(session, audit.id, "behaviour", owner="the dead one", lease_seconds=-1)
        claim_cell(session, audit.id, "measure/original", owner="a live one", lease_seconds=60)
    assert sweep(database, app) == 1
    assert _receive(app) == ["behaviour"]


def test_a_broker_that_is_full_is_one_line_too(database: Database, audit: StoredAudit) -> None:
    with embedded_broker() as broker:
        path = broker.url.removeprefix("redis+socket://").split("?")[0]
        with redis.Redis(unix_socket_path=path) as client:
            client.config_set("maxmemory", 1)
        with pytest.raises(BrokerError, match="maxmemory") as refused:
            dispatch(database, create_app(broker.url))
    assert "\n" not in str(refused.value)


def test_a_broker_that_is_away_is_one_line_and_the_cells_stay_ready(database: Database, audit: StoredAudit) -> None:
    app = create_app("redis://:secret@127.0.0.1:1/0")
    for attempt in (lambda: dispatch(database, app), lambda: queued_cells(app)):
        with pytest.raises(BrokerError) as refused:
            attempt()
        assert "\n" not in str(refused.value)
        assert "secret" not in str(refused.value)
    with database.transaction() as session:
        assert [key for _, key in ready_cells(session)] == AT_ONCE
