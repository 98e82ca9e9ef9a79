"""Passwords that the servers of the tests ask for, and a search for them in whatever is left behind.

Each is made of pieces between the letters that have a meaning in a URL. A text that holds one piece has leaked: it
shows the password, its spelling in a URL, or the part of it that a wrong reading of the URL takes for something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

_BROKER: Final = ("zk4vqb", "plq7rb", "wx9tnb")
_DATABASE: Final = ("zk4vqd", "plq7rd", "wx9tnd")

BROKER_PASSWORD: Final = "{}/{}@{}".format(*_BROKER)
DATABASE_PASSWORD: Final = "{}/{}@{}".format(*_DATABASE)

PIECES: Final = tuple(piece.encode() for piece in _BROKER + _DATABASE)


def in_url(password: str) -> str:
    """The password as it is written in a URL."""
    return quote(password, safe="")


def shows_password(text: str | bytes) -> bool:
    """Whether a piece of a password stands in the text."""
    searched = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return any(piece in searched for piece in PIECES)


def files_that_show_passwords(folder: Path) -> Iterator[Path]:
    """The files under a folder, at any depth, that hold a piece of a password or are named so. No sockets."""
    for file in folder.rglob("*"):
        if shows_password(file.name) or (file.is_file() and shows_password(file.read_bytes())):
            yield file


class Heard:
    """What commands have said since the last search."""

    def __init__(self) -> None:
        self._said: list[tuple[str, str | bytes]] = []

    def note(self, what: str, *texts: str | bytes | None) -> None:
        """Keep texts for the search, under a name by which they can be found."""
        self._said += [(what, text) for text in texts if text]

    def take_leaks(self) -> list[str]:
        """The names of the texts that show a password; all are forgotten."""
        leaks = [what for what, text in self._said if shows_password(text)]
        self._said.clear()
        return leaks


heard: Final = Heard()
"""What this process has heard from the commands and servers that it started."""
