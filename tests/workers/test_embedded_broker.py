"""The server from the wheel: private, quick, and gone afterwards."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from auditor.errors import BrokerError
from workers import embedded_broker as module
from workers.broker import ping_broker
from workers.embedded_broker import SOCKET_BYTES, embedded_broker


def _folder(url: str) -> Path:
    return Path(url.removeprefix("redis+socket://").split("?")[0]).parent


def test_nothing_is_left_of_it() -> None:
    with embedded_broker() as broker:
        folder = _folder(broker.url)
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()
    assert broker.process.poll() is not None


def test_a_long_temporary_folder_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * SOCKET_BYTES)
    deep.mkdir()
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(deep))
    with embedded_broker() as broker:
        ping_broker(broker.url)
        assert len(os.fsencode(_folder(broker.url))) < SOCKET_BYTES


def test_two_brokers_at_once_do_not_interfere() -> None:
    with embedded_broker() as first, embedded_broker() as second:
        assert first.url != second.url
        ping_broker(first.url)
        ping_broker(second.url)


@pytest.mark.parametrize("program", ["/no/such/program", "/bin/false"])
def test_a_server_that_does_not_start_is_one_line_with_a_way_out(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_server_binary", lambda: Path(program))
    begin = time.monotonic()
    with pytest.raises(BrokerError, match="--broker-url"), embedded_broker():
        pass
    assert time.monotonic() - begin < module.START_SECONDS


def test_a_server_that_ended_is_noticed() -> None:
    with embedded_broker() as broker:
        broker.require_alive()
        broker.process.kill()
        broker.process.wait()
        with pytest.raises(BrokerError, match="status -9"):
            broker.require_alive()
