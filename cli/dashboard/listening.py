"""A port, and the server that answers on it until a signal."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from auditor.errors import AuditorError

GRACE_SECONDS: Final = 2
"""How long requests that run may take to end after a signal."""

CONNECTIONS: Final = 200
"""More at once are answered with status 503."""

HEADER_BYTES: Final = 32_000


class ListeningError(AuditorError):
    """The address cannot be listened on."""


class _Stopped(BaseException):
    """SIGTERM came."""


@contextmanager
def until_signal() -> Iterator[None]:
    """End the block in good order at SIGTERM and Ctrl-C."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _Stopped

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with suppress(_Stopped, KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket bound to the address.

    Raises:
        ListeningError: another program has the port, or it is no address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise _refused(host, port, error) from error
    with bound:
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError as error:
            raise _refused(host, port, error) from error
        yield bound


def tls_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """What a server speaks TLS with. Without ``key`` the file of the certificate holds it too.

    Raises:
        ListeningError: a file is missing, or they are no certificate and its key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise ListeningError(
            f"{certificate} cannot be used for TLS: {reason}",
            expected="a certificate and its key without password, in PEM",
            action="check --certificate and --key",
        ) from error
    return context


def answer(
    app: FastAPI,
    bound: socket.socket,
    *,
    tls: ssl.SSLContext | None = None,
    proxies: Sequence[str] = (),
    access_log: bool,
    on_ready: Callable[[], None],
) -> None:
    """Answer requests until a signal; ``on_ready`` is called when the first can come.

    ``proxies`` are the addresses that may say, in X-Forwarded-For and X-Forwarded-Proto, for whom they ask; from others
    these headers mean nothing.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=access_log,
        ws="none",
        lifespan="on",
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        h11_max_incomplete_event_size=HEADER_BYTES,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    _Server(config, on_ready).run(sockets=[bound])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started:
            await asyncio.to_thread(self._on_ready)


def url_of(bound: socket.socket, *, has_tls: bool = False) -> str:
    """The address to open."""
    host, port = bound.getsockname()[:2]
    return f"{'https' if has_tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _refused(host: str, port: int, error: OSError | UnicodeError) -> ListeningError:
    reason = getattr(error, "strerror", None) or str(error)
    return ListeningError(
        f"{host}:{port} cannot be listened on: {reason}",
        expected="an address of this machine and a free port",
        action="choose another --port, or 0 for a free one",
    )
