"""Brokers that ask for the planted password; one of them can be stopped, emptied and started at the same address."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import redis

from tests.planted import BROKER_PASSWORD, in_url
from workers.broker import _client_url
from workers.child_processes import kill, start
from workers.embedded_broker import _await, _server_binary


def with_password(url: str) -> str:
    """Let a running server ask for the planted password; its URL with it."""
    with client_of(url) as client:
        client.config_set("requirepass", BROKER_PASSWORD)
    return _with_password(url)


def client_of(url: str) -> redis.Redis:
    """A connection for a test that looks into a broker."""
    found: redis.Redis = redis.Redis.from_url(_client_url(url))
    return found


def _with_password(url: str) -> str:
    return url.replace("://", f"://:{in_url(BROKER_PASSWORD)}@")


class BrokerServer:
    """A Valkey server that keeps nothing on disk."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dyck-audit-"))
        self.socket = self.folder / "s"
        self.url = _with_password(f"redis+socket://{self.socket}?virtual_host=0")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Answer, with nothing queued."""
        arguments = ["--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        arguments += ["--dir", str(self.folder), "--save", "", "--appendonly", "no"]
        arguments += ["--requirepass", BROKER_PASSWORD]
        self.socket.unlink(missing_ok=True)
        self.process = start([str(_server_binary()), *arguments])
        _await(self.process, self.socket, self.folder / "log")

    def kill(self) -> None:
        """Lose everything."""
        if self.process is not None:
            kill(self.process)
            self.process = None

    def restart_empty(self, *, down_seconds: float = 0.0) -> None:
        """Be away for a while, and come back with nothing queued."""
        self.kill()
        time.sleep(down_seconds)
        self.start()

    def freeze(self, seconds: float) -> None:
        """Answer no request for a while, and lose nothing."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(self.process.pid, signal.SIGCONT)

    def client(self) -> redis.Redis:
        """A connection for a test that looks into it."""
        return client_of(self.url)
