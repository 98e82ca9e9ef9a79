"""``GET /metrics`` of a worker: its main process answers a monitor from a thread of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from auditor.errors import AuditorError, StoreError
from workers.metrics import CONTENT_TYPE

LOOPBACK: Final = "127.0.0.1"
PATH: Final = "/metrics"
_SECONDS: Final = 10.0  # for one request: a client that says nothing holds a thread no longer


def read_address(text: str) -> tuple[str, int]:
    """PORT on the loopback address, HOST:PORT or [IPv6]:PORT.

    Raises:
        AuditorError: it is none of these.
    """
    host, colon, port = text.rpartition(":")
    if not port.isascii() or not port.isdecimal() or int(port) > 65535 or (colon and not host):
        raise AuditorError(
            f"the address {text!r} for metrics", expected="PORT, HOST:PORT or [IPv6]:PORT", action="such as 9464"
        )
    return (host.removeprefix("[").removesuffix("]") if colon else LOOPBACK), int(port)


@contextmanager
def serving_metrics(address: tuple[str, int], text: Callable[[], str]) -> Iterator[tuple[str, int]]:
    """Answer for the length of the block; the address that is listened on.

    Raises:
        AuditorError: it cannot be listened on.
    """

    class Handler(_Handler):
        give = staticmethod(text)

    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    kind = type("Server", (ThreadingHTTPServer,), {"address_family": family, "daemon_threads": True})
    try:
        server = kind(address, Handler)
    except OSError as error:
        raise AuditorError(
            f"metrics cannot be served at {address[0]}:{address[1]}: {error.strerror}", action="choose another port"
        ) from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    try:
        yield server.server_address[:2]
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers one request; ``give`` is the text."""

    timeout = _SECONDS
    give: Callable[[], str]
    server_version = "dyck-audit"
    sys_version = ""

    def do_GET(self) -> None:
        """The metrics, or why there are none."""
        if self.path.partition("?")[0] != PATH:
            self._answer(404, f"there is only {PATH}\n")
            return
        try:
            self._answer(200, self.give(), CONTENT_TYPE)
        except StoreError as away:
            self._answer(503, f"{away}\n")

    def _answer(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: a monitor asks every few seconds."""
