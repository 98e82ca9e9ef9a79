"""Texts without the passwords of the URLs in them, and without access tokens.

A password may hold an "@", "/" or "#" that no library reads as part of it, so the whole of it is hidden by place: from
the first ":" after the user to the last "@".
"""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"

ENCODE = "percent-encode @ : / in the password: %40 %3A %2F"
"""What to do about a password that ends the address too early."""

SHORTEST_SECRET = 4
"""Characters: a shorter password is hidden only inside its URL, because it also stands in plain words."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://\S*[^\s'\"`,;:).>\]}]")
_PORT = re.compile(r"(?P<host>[^:/?#\[\]]*:)(?P<port>[^/?#]+)")
_OPTION = re.compile(
    r"(?P<name>[?&;][^=?&;\s]*(?:pass|pwd|secret|token)[^=?&;\s]*=)(?P<value>[^&;\s'\"]*)", re.IGNORECASE
)
TOKEN_PREFIX = "dyck_"
TOKEN_LETTERS = 52
"""Of an access token of the web server, after its prefix: 260 bits."""

_TOKEN = re.compile(rf"{TOKEN_PREFIX}[0-9a-z]{{{TOKEN_LETTERS}}}", re.IGNORECASE)
_PLACEHOLDERS = ("PASSWORD", "PORT")


def hide_password(url: str) -> str:
    """The URL for display. What stands where a port should, and is no number, is hidden too."""
    scheme, mark, rest = _split(url)
    user, colon, password, after = _parts(url)
    if password in _PLACEHOLDERS:
        return url
    if password:
        rest = f"{user}{colon}{HIDDEN}@{after}"
    elif (
        not after and (port := _PORT.match(rest)) and not port["port"].isdecimal() and port["port"] not in _PLACEHOLDERS
    ):
        rest = f"{port['host']}{HIDDEN}{rest[port.end() :]}"
    return _OPTION.sub(rf"\g<name>{HIDDEN}", f"{scheme}{mark}{rest}")


def raw_password(url: str) -> str:
    """The password as it is written in the URL, by its place; empty without one."""
    return _parts(url)[2]


def secrets_of(url: str) -> tuple[str, ...]:
    """What must not be shown of a URL: itself, and its passwords as written and as meant, the longest first."""
    written = [raw_password(url), *(option["value"] for option in _OPTION.finditer(url))]
    found = {text for one in written for text in (one, unquote(one)) if len(text) >= SHORTEST_SECRET}
    if hide_password(url) != url:
        found.add(url)
    return tuple(sorted(found, key=len, reverse=True))


def without_passwords(text: str, secrets: tuple[str, ...] = ()) -> str:
    """A text in which every URL is as :func:`hide_password` shows it, and no secret or access token is left."""
    for secret in secrets:
        text = text.replace(secret, hide_password(secret) if "://" in secret else HIDDEN)
    return _TOKEN.sub(TOKEN_PREFIX + HIDDEN, _URL.sub(lambda found: hide_password(found[0]), text))


def has_token(text: str) -> bool:
    """Whether an access token stands somewhere in the text."""
    return _TOKEN.search(text) is not None


def _split(url: str) -> tuple[str, str, str]:
    scheme, mark, rest = url.partition("://")
    return (scheme, mark, rest) if mark else ("", "", url)


def _parts(url: str) -> tuple[str, str, str, str]:
    """User, ":", password, and what follows the last "@"; a path of SQLite has none of them."""
    scheme, _, rest = _split(url)
    before, at, after = rest.rpartition("@")
    if not at or (scheme.startswith("sqlite") and rest.startswith("/")):
        return "", "", "", ""
    return *before.partition(":"), after
