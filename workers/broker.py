"""Asking the broker: is it there, how much is queued, who listens. No Celery where the redis client is enough."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from auditor.errors import BrokerError

_SCHEMES = ("redis", "rediss", "redis+socket")
_EXPECTED = "redis://HOST:PORT/0, rediss://HOST:PORT/0 or redis+socket:///PATH"
_SECONDS = 1.5


def ping_broker(url: str) -> str:
    """Name and version of the server, for example "Valkey 9.1.2".

    Raises:
        BrokerError: not a URL of ours, or nobody answers within two seconds.
    """
    check_broker_url(url)
    import redis

    try:
        client = redis.Redis.from_url(_client_url(url), socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS)
        with client:
            facts = client.info("server")
    except (redis.RedisError, OSError, ValueError) as error:
        raise BrokerError(
            f"the broker {displayed(url)} does not answer: {_first_line(error)}",
            expected="a running Redis or Valkey server",
            action="start it, or leave out --broker-url to work with local processes",
        ) from error
    if "valkey_version" in facts:
        return f"Valkey {facts['valkey_version']}"
    return f"Redis {facts.get('redis_version', 'of unknown version')}"


def check_broker_url(url: str) -> None:
    """Raise BrokerError for a URL that cannot be one of ours."""
    try:
        parts = urlsplit(url)
        is_ours = parts.scheme in _SCHEMES and (parts.port is None or parts.port > 0)
        if parts.scheme != "redis+socket":
            is_ours = is_ours and (parts.path.strip("/") or "0").isdecimal()  # the number of a database
    except ValueError:  # a port that is no number
        is_ours = False
    if not is_ours:
        raise BrokerError(f"the broker URL {displayed(url)!r} cannot be used", expected=_EXPECTED)


def displayed(url: str) -> str:
    """The URL with its password hidden."""
    before, mark, after = url.rpartition("@")
    if not mark:
        return url
    scheme, _, credentials = before.partition("://")
    user = credentials.partition(":")[0]
    return f"{scheme}://{user}:***@{after}"


def count_workers(url: str, *, seconds: float = 1.0) -> int:
    """How many worker processes answer on this broker.

    Raises:
        BrokerError: the broker does not answer.
    """
    ping_broker(url)
    from workers.app import create_app

    replies = create_app(url).control.ping(timeout=seconds)
    return len(replies or [])


def _client_url(url: str) -> str:
    """kombu's spelling of a Unix socket in the redis client's: unix:///PATH?db=N."""
    parts = urlsplit(url)
    if parts.scheme != "redis+socket":
        return url
    database = parse_qs(parts.query).get("virtual_host", ["0"])[0].strip("/") or "0"
    return f"unix://{parts.path}?db={database}"


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
