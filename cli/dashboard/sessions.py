"""Sessions of browsers, and how often an address has given a wrong token. Both are kept in memory only.

They are forgotten when the server ends: people sign in again. Addresses behind one proxy count as one.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

SESSION_SECONDS: Final = 12 * 3600
MOST_SESSIONS: Final = 10_000
FAILURES: Final = 10
"""Wrong tokens from one address before it must wait."""

WINDOW_SECONDS: Final = 300
MOST_ADDRESSES: Final = 10_000

Clock = Callable[[], float]


class Sessions:
    """Random names for cookies, each for one token. Only hashes of them are kept."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def begin(self, token_id: str) -> str:
        """A new session of a token; the value of its cookie. The oldest ends where there are too many."""
        value = secrets.token_urlsafe(32)
        with self._lock:
            self._open[_hash(value)] = (token_id, self._clock() + SESSION_SECONDS)
            while len(self._open) > MOST_SESSIONS:
                self._open.popitem(last=False)
        return value

    def token_id(self, value: str) -> str | None:
        """The id of the token that a cookie stands for."""
        with self._lock:
            token_id, until = self._open.get(_hash(value), (None, 0.0))
            return token_id if self._clock() < until else None

    def end(self, value: str) -> None:
        """Forget a session."""
        with self._lock:
            self._open.pop(_hash(value), None)


class Failures:
    """Wrong tokens by address; after :data:`FAILURES` in :data:`WINDOW_SECONDS` it is not heard for a while."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def note(self, address: str) -> None:
        """Count one more; the window starts with the first."""
        key, now = _group(address), self._clock()
        with self._lock:
            count, until = self._seen.pop(key, (0, 0.0))
            self._seen[key] = (count + 1, until) if now < until else (1, now + WINDOW_SECONDS)
            while len(self._seen) > MOST_ADDRESSES:
                self._seen.popitem(last=False)

    def wait_seconds(self, address: str) -> int:
        """How long no token of this address is looked at; 0: it is."""
        with self._lock:
            count, until = self._seen.get(_group(address), (0, 0.0))
        left = until - self._clock()
        return int(left) + 1 if count >= FAILURES and left > 0 else 0


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _group(address: str) -> str:
    """One household has one IPv4 address, or 2**64 of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
