"""Which names this server answers to, and from which pages a browser may ask it.

A page of another site can make a browser send requests to 127.0.0.1, and after DNS rebinding even under its own name.
So the Host header must name this server, requests that another site caused are refused unless they only open a page,
and what changes something must come from a page of this server. Programs send neither header.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from cli.dashboard.refusal import Refusal

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
OWN_SITE = ("same-origin", "none")
"""Of Sec-Fetch-Site: a page of this server; the user typed the address."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a Host header may hold."""

    loopback: bool  # reached from this machine only
    others: frozenset[str] = frozenset()

    def fits(self, host: str) -> bool:
        """Whether a Host header names this server. No site can rebind an address that is a number."""
        name = host_name(host)
        if name is None:
            return False
        if name in self.others or (self.loopback and name == "localhost"):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback if self.loopback else True


def names_of(address: str, *, others: tuple[str, ...] = ()) -> Names:
    """The names of a server that listens on this address; ``others`` are those of a proxy before it."""
    loopback = ipaddress.ip_address(address).is_loopback
    own = () if loopback else ("localhost", socket.gethostname(), socket.getfqdn())
    return Names(loopback, frozenset(name.lower().rstrip(".") for name in (*own, *others) if name))


def host_name(host: str) -> str | None:
    """The name or number in a Host header without its port; None for what is no such header."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return None
    plain = parts.netloc == host and not parts.username and parts.password is None and "@" not in host
    return parts.hostname.rstrip(".") if plain and parts.hostname else None


def check_host(names: Names, headers: Mapping[str, str]) -> None:
    """Refuse a request to another name.

    Raises:
        Refusal: 421.
    """
    host = headers.get("host", "")
    if not names.fits(host):
        raise Refusal(
            421,
            f"the Host header {host[:100]!a}",
            expected="the address of this server",
            do="open the address that `dyck-audit serve` prints, or start it with --allow-host NAME",
        )


def check_origin(method: str, headers: Mapping[str, str], *, by_session: bool) -> None:
    """Refuse what a page of another site caused.

    Raises:
        Refusal: 403.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if method in SAFE_METHODS:
        opens_page = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        if site in (None, *OWN_SITE) or opens_page:
            return
        raise _other_site(f"Sec-Fetch-Site: {site[:40]!a}")
    if site not in (None, *OWN_SITE):
        raise _other_site(f"Sec-Fetch-Site: {site[:40]!a}")
    if origin is not None and not _is_own(origin, headers.get("host", "")):
        raise _other_site(f"Origin: {origin[:100]!a}")
    if by_session and origin is None and site is None:
        raise _other_site("no Origin header")


def _is_own(origin: str, host: str) -> bool:
    """The scheme may differ: a proxy may speak TLS for this server."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _other_site(found: str) -> Refusal:
    return Refusal(403, f"a request from another site ({found})", expected="one from a page of this server")
