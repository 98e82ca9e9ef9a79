"""Checks of the broker: whether it answers, and how many workers do. No Celery where the redis client is enough."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from auditor.errors import BrokerError
from auditor.urls import ENCODE, hide_password, raw_password

_SCHEMES = ("redis", "rediss", "redis+socket")
_EXPECTED = "redis://HOST:PORT/0, rediss://HOST:PORT/0 or redis+socket:///PATH"
_SECONDS = 1.5

_CERTIFICATE_CHECKS = ("none", "optional", "required")
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


def ping_broker(url: str) -> str:
    """Name and version of the server, for example "Valkey 9.1.2".

    Raises:
        BrokerError: not a URL of ours, an option of it that cannot be used, a password or certificate that is refused,
            or no answer within two seconds.
    """
    check_broker_url(url)
    import redis

    try:
        with _client(url) as client:
            facts: dict[str, Any] = client.info("server")
    except (redis.RedisError, OSError, ValueError) as error:
        raise _unanswered(url, error) from error
    if "valkey_version" in facts:
        return f"Valkey {facts['valkey_version']}"
    return f"Redis {facts.get('redis_version', 'of unknown version')}"


def check_broker_url(url: str) -> None:
    """Refuse what is wrong with a URL before a server is asked.

    Raises:
        BrokerError: the URL cannot be one of ours, or has an option that cannot be used, by name.
    """
    try:
        parts = urlsplit(url)
        is_ours = parts.scheme in _SCHEMES and (parts.port is None or parts.port > 0)
        if parts.scheme != "redis+socket":
            is_ours = is_ours and (parts.path.strip("/") or "0").isdecimal()  # the number of a database
        ends_early = parts.scheme != "redis+socket" and bool(set("/?#") & set(raw_password(url)))
        is_ours = is_ours and not ends_early  # a password that is read as path, options or fragment
    except ValueError:  # a port that is no number
        is_ours = False
    if not is_ours:
        action = ENCODE if raw_password(url) else ""
        raise BrokerError(f"the broker URL {hide_password(url)!r} cannot be used", expected=_EXPECTED, action=action)
    options = parse_qsl(parts.query, keep_blank_values=True)
    for name, value in options:
        expected = _expected(parts.scheme, name, value)
        if expected:
            given = hide_password(f"?{name}={value}").removeprefix("?")
            raise BrokerError(f"{given} in the broker URL {hide_password(url)}", expected=expected)
    _check_by_client(url)


def _expected(scheme: str, name: str, value: str) -> str:
    """What a TLS option of the URL should be instead; empty when it can be used."""
    if name.startswith("ssl_") and scheme != "rediss":
        return "a rediss:// URL with this option, or none of it"
    if name == "ssl_cert_reqs" and value not in _CERTIFICATE_CHECKS:
        return ", ".join(_CERTIFICATE_CHECKS[:-1]) + f" or {_CERTIFICATE_CHECKS[-1]}"
    if name in _FILES and not Path(value).is_file():
        return "a file that is there"
    if name == "ssl_ca_path" and not Path(value).is_dir():
        return "a folder that is there"
    return ""


def _check_by_client(url: str) -> None:
    """Let the client read every option; nothing is connected."""
    import redis

    try:
        with _client(url) as client:
            pool = client.connection_pool
            pool.connection_class(**pool.connection_kwargs)
    except (redis.RedisError, ValueError, TypeError) as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        reason = f"it has no option {unknown[1]}" if unknown else _first_line(error)
        raise BrokerError(
            f"the broker URL {hide_password(url)} cannot be used by the Redis client: {reason}",
            expected="options that the client knows, with values of their type",
        ) from None


def answering_workers(url: str, *, seconds: float = 1.0) -> tuple[str, ...]:
    """The names, NAME@MACHINE, of the workers that answer on this broker.

    Raises:
        BrokerError: the broker does not answer.
    """
    ping_broker(url)
    from workers.app import create_app

    replies = create_app(url).control.ping(timeout=seconds) or []
    return tuple(sorted(name for reply in replies for name in reply))


def count_workers(url: str, *, seconds: float = 1.0) -> int:
    """How many workers answer on this broker.

    Raises:
        BrokerError: the broker does not answer.
    """
    return len(answering_workers(url, seconds=seconds))


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """What a server keeps, and when it delivers again."""

    server: str  # name and version
    append_only: bool  # every message is on disk within a second
    snapshots: bool | None  # from time to time; None where the server does not say
    evicts: str  # its policy when memory is full, empty where it drops nothing
    visibility_seconds: float


def broker_facts(url: str) -> BrokerFacts:
    """Ask a server what it keeps.

    Raises:
        BrokerError: as :func:`ping_broker`.
    """
    server = ping_broker(url)
    import redis

    from workers.app import create_app

    try:
        with _client(url) as client:
            kept: dict[str, Any] = client.info("persistence")
            memory: dict[str, Any] = client.info("memory")
            snapshots = _snapshots(client)
        with create_app(url).connection_for_write() as connection:
            visibility = float(connection.default_channel.visibility_timeout)
    except (redis.RedisError, OSError, ValueError) as error:
        raise _unanswered(url, error) from error
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    evicts = policy if memory.get("maxmemory") and policy != "noeviction" else ""
    return BrokerFacts(server, bool(kept.get("aof_enabled")), snapshots, evicts, visibility)


def _snapshots(client: Any) -> bool | None:
    import redis

    try:
        return bool(client.config_get("save").get("save"))
    except redis.ResponseError:  # hosted servers often forbid CONFIG
        return None


def _client(url: str) -> Any:
    import redis

    return redis.Redis.from_url(_client_url(url), socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS)


def _unanswered(url: str, error: Exception) -> BrokerError:
    """Why a server gave no answer: it refuses the password, it fails the secure connection, or it is not there."""
    import redis

    shown, reason = hide_password(url), _first_line(error)
    if isinstance(error, redis.AuthenticationError):
        return BrokerError(f"the broker {shown} refuses the user or password: {reason}", action=f"check it; {ENCODE}")
    if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
        return BrokerError(
            f"the secure connection to the broker {shown} fails: {reason}",
            expected="a server with TLS and a certificate that passes",
            action="check the ssl_ options of the URL, or write redis:// for a server without TLS",
        )
    return BrokerError(
        f"the broker {shown} does not answer: {reason}",
        expected="a running Redis or Valkey server",
        action="start it, or leave out --broker-url to work with local processes",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _client_url(url: str) -> str:
    """kombu's spelling of a Unix socket in the redis client's: unix:///PATH?db=N."""
    parts = urlsplit(url)
    if parts.scheme != "redis+socket":
        return url
    database = dict(parse_qsl(parts.query)).get("virtual_host", "0").strip("/") or "0"
    return f"unix://{parts.netloc}{parts.path}?db={database}"


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
