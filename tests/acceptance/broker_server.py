"""A broker that a test stops, empties and starts again at the same address."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import redis

from workers.child_processes import kill, start
from workers.embedded_broker import _await, _server_binary


class BrokerServer:
    """A Valkey server that keeps nothing on disk."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dyck-audit-"))
        self.socket = self.folder / "s"
        self.url = f"redis+socket://{self.socket}?virtual_host=0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Answer, with nothing queued."""
        arguments = ["--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        arguments += ["--dir", str(self.folder), "--save", "", "--appendonly", "no"]
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
        return redis.Redis(unix_socket_path=str(self.socket))
