"""Messages about a broker: its version, or at once one line with the reason."""

from __future__ import annotations

import socket
import time

import pytest

from auditor.errors import BrokerError
from auditor.urls import hide_password
from workers.broker import check_broker_url, ping_broker
from workers.embedded_broker import embedded_broker

MOST_SECONDS = 2.0


def test_a_running_server_names_itself() -> None:
    with embedded_broker() as broker:
        assert ping_broker(broker.url).startswith("Valkey 9.")


def test_a_server_that_is_down_is_reported_at_once_and_in_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"redis://user:secret@127.0.0.1:{free.getsockname()[1]}/0"
    begin = time.monotonic()
    with pytest.raises(BrokerError) as refused:
        ping_broker(url)
    assert time.monotonic() - begin < MOST_SECONDS
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "127.0.0.1" in str(refused.value)


def test_a_server_that_accepts_the_connection_and_does_not_answer_is_reported_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        with pytest.raises(BrokerError, match="does not answer"):
            ping_broker(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
    assert time.monotonic() - begin < MOST_SECONDS


@pytest.mark.parametrize("url", ["amqp://localhost", "redis://host:port/0", "redis://host:0/0", "localhost:6379", ""])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(BrokerError, match="redis://HOST:PORT/0"):
        check_broker_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@host:1/0", "redis://user:***@host:1/0"),
        ("redis://:p@ss@host:1/0", "redis://:***@host:1/0"),
        ("redis://host:1/0", "redis://host:1/0"),
        ("redis+socket:///tmp/s?virtual_host=0", "redis+socket:///tmp/s?virtual_host=0"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert hide_password(url) == shown
