"""One server: how it is asked, and how what it refuses becomes the one line that a command fails with."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx2

from auditor.errors import AuditorError, FilterError
from auditor.files.text_file import read_text
from auditor.urls import hide_password
from cli.api_documents import API_VERSION, PREFIX, PROGRAM

if TYPE_CHECKING:
    from cli.output import Output

TOKEN_VARIABLE: Final = "DYCK_AUDIT_TOKEN"
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 330.0
"""Longer than a server may work on a model."""

LONGEST_TOKEN_FILE: Final = 1_000
WRONG_VALUE: Final = 422

_EXPECTED: Final = "http://HOST:PORT or https://HOST"
_START: Final = "check the address; `dyck-audit serve` starts a server"


class ServerError(AuditorError):
    """A server does not answer, is none of ours, or refuses."""


class AwayError(ServerError):
    """No answer comes; later one may."""


class Connection:
    """Asks one server."""

    def __init__(self, client: httpx2.Client, address: str) -> None:
        self._client, self.address = client, address

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """The document at a path of the API.

        Raises:
            ServerError: there is none.
            FilterError: a parameter is wrong.
        """
        return self.ask("GET", path, params=parameters)

    def ask(self, method: str, path: str, **given: Any) -> Any:
        """The document that answers a request.

        Raises:
            ServerError: there is none.
        """
        try:
            answer = self._client.request(method, f"{PREFIX}{path}", **given)
        except httpx2.TransportError as error:
            raise self._away(error) from error
        except httpx2.HTTPError as error:
            raise self._not_ours() from error
        try:
            document = answer.json()
        except ValueError:
            raise self._not_ours(answer.status_code) from None
        if answer.is_success:
            return document
        raise self._refusal(answer.status_code, document, of_reading=method == "GET")

    def require_ours(self) -> None:
        """Refuse another program, and a version with another API.

        Raises:
            ServerError: it is.
        """
        about = self.get("")
        if not isinstance(about, Mapping) or about.get("program") != PROGRAM:
            raise self._not_ours()
        if about.get("api") != API_VERSION:
            raise ServerError(
                f"the server {self.address} speaks version {about.get('api')!r:.20} of the API",
                expected=f"version {API_VERSION}",
                action="install the same version of dyck-audit here and there",
            )

    def _refusal(self, status: int, document: Any, *, of_reading: bool) -> AuditorError:
        if not isinstance(document, Mapping) or not isinstance(document.get("found"), str):
            return self._not_ours(status)
        texts = [str(document.get(name, "")) for name in ("found", "expected", "do")]
        kind = FilterError if of_reading and status == WRONG_VALUE else ServerError
        return kind(texts[0], expected=texts[1], action=texts[2])

    def _away(self, error: Exception) -> ServerError:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if "CERTIFICATE_VERIFY" in reason:
            return ServerError(
                f"the certificate of {self.address} is not trusted: {reason}",
                expected="one of a known authority",
                action="name the certificate of its authority in SSL_CERT_FILE",
            )
        return AwayError(f"the server {self.address} does not answer: {reason}", action=_START)

    def _not_ours(self, status: int | None = None) -> ServerError:
        with_status = "" if status is None else f" (status {status})"
        return ServerError(
            f"what answers at {self.address} is no dyck-audit server{with_status}", expected=_EXPECTED, action=_START
        )


@contextmanager
def connected(url: str, token_file: Path | None, output: Output) -> Iterator[Connection]:
    """A connection to the server at an address, with the token of the environment or of a file.

    Raises:
        ServerError: no such address, no answer, no server of ours, or no token that can be sent.
    """
    address, token = _address(url), read_token(token_file)
    is_local = _is_local(address)
    if token and not is_local and address.startswith("http:"):
        output.note("the token goes to the server unencrypted; https:// keeps it secret")
    timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    # a proxy does not reach this machine; SSL_CERT_FILE, which names authorities, holds for it too
    verify = httpx2.create_ssl_context() if address.startswith("https:") else True
    with httpx2.Client(
        base_url=address, headers=headers, timeout=timeout, trust_env=not is_local, verify=verify
    ) as client:
        connection = Connection(client, address)
        connection.require_ours()
        yield connection


def read_token(token_file: Path | None) -> str | None:
    """The token of a file, else of the environment; None where there is none.

    Raises:
        ServerError: no such file, or what it holds is no token.
    """
    where: str | Path = TOKEN_VARIABLE if token_file is None else token_file
    if token_file is not None:
        text = read_text(token_file, ServerError, expected="a file with one token", limit=LONGEST_TOKEN_FILE)
    else:
        text = os.environ.get(TOKEN_VARIABLE, "")
    token = text.strip()
    if not (token.isascii() and token.isprintable() and " " not in token) or (token_file and not token):
        raise ServerError(f"{where}: no token", expected="one word as `dyck-audit tokens create` shows it")
    return token or None


def _address(url: str) -> str:
    shown = hide_password(url)
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits or parts.query or parts.fragment:
        raise ServerError(f"the server {shown!r}", expected=_EXPECTED)
    if "@" in parts.netloc:
        raise ServerError(
            f"a user or password in the server {shown!r}",
            expected=_EXPECTED,
            action=f"give the token in {TOKEN_VARIABLE}",
        )
    return url.rstrip("/")


def _is_local(address: str) -> bool:
    name = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
