"""Tables that a user wrote: their entries are checked when they are read, and a wrong one is named with what fits.

Plans, claims, native descriptions and the descriptions beside checkpoints are read through this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from auditor.errors import AuditorError

LARGEST = 1e6
"""Above any scale or epsilon in use."""

Word = TypeVar("Word", bound=str)


class Table:
    """Entries by name. ``where`` stands before what was found: a file, or a part of a document.

    Raises:
        ``error``: from every reader, for an entry that is missing, of another type or out of bounds.
    """

    def __init__(
        self, entries: Mapping[str, Any], error: type[AuditorError], *, where: str = "", action: str = ""
    ) -> None:
        self._entries = entries
        self._error = error
        self._where = where
        self._action = action

    def refused(self, name: str, found: str, expected: str) -> AuditorError:  # noqa: ARG002
        """The error about one entry."""
        return self._error(f"{self._where}{found}", expected=expected)

    def missing(self, name: str, stand_in: Any) -> AuditorError:  # noqa: ARG002
        """The error about an entry that is not there; ``stand_in`` is a value of its kind, to read on with."""
        return self._error(f"{self._where}no {name!r}", expected="this entry", action=self._action)

    def has(self, name: str) -> bool:
        """Whether the entry is there."""
        return name in self._entries

    def entry(self, name: str, *, stand_in: Any = None) -> Any:
        """The value as it stands. ``stand_in`` is any value of its kind."""
        if name not in self._entries:
            raise self.missing(name, stand_in)
        return self._entries[name]

    def no_others(self, known: Iterable[str]) -> None:
        """Refuse an entry of another name."""
        names = tuple(known)
        for name in self._entries:
            if name not in names:
                raise self.refused(name, f"unknown field {shown(name)}", ", ".join(names))

    def whole(self, name: str, *, at_least: int = 1, at_most: int | None = None) -> int:
        """A whole number."""
        found = self.entry(name, stand_in=at_least)
        if type(found) is not int or found < at_least or (at_most is not None and found > at_most):
            bounds = f"of at least {at_least}" if at_most is None else f"from {at_least:,} to {at_most:,}"
            raise self._wrong(name, f"a whole number {bounds}")
        return found

    def positive(self, name: str) -> float:
        """A number above 0."""
        found = self.entry(name, stand_in=1.0)
        if type(found) not in (int, float) or not 0.0 < found < LARGEST:
            raise self._wrong(name, "a positive number")
        return float(found)

    def share(self, name: str) -> float:
        """A number between 0 and 1."""
        found = self.entry(name, stand_in=0.5)
        if type(found) is not float or not 0.0 < found < 1.0:
            raise self._wrong(name, "a number between 0 and 1")
        return found

    def truth(self, name: str) -> bool:
        """True or false."""
        found = self.entry(name, stand_in=False)
        if type(found) is not bool:
            raise self._wrong(name, "true or false")
        return found

    def text(self, name: str) -> str:
        """A text that is not blank, without the blanks around it."""
        found = self.entry(name, stand_in="")
        if not isinstance(found, str) or not found.strip():
            raise self._wrong(name, "a text")
        return found.strip()

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        found = self.entry(name, stand_in=[])
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self._wrong(name, "a list of texts")
        return tuple(found)

    def wholes(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        found = self.entry(name, stand_in=[])
        if not isinstance(found, list) or not all(type(one) is int for one in found):
            raise self._wrong(name, "a list of whole numbers")
        return tuple(found)

    def choice(self, name: str, options: Iterable[Word]) -> Word:
        """One of a few words."""
        known = tuple(options)
        found = self.entry(name, stand_in=known[0])
        for one in known:
            if isinstance(found, str) and found == one:
                return one
        raise self._wrong(name, " or ".join(known))

    def table(self, name: str) -> Mapping[str, Any]:
        """A table inside."""
        found = self.entry(name, stand_in={})
        if not isinstance(found, Mapping):
            raise self._wrong(name, "a table")
        return found

    def tables(self, name: str) -> tuple[Mapping[str, Any], ...]:
        """A list of tables."""
        found = self.entry(name, stand_in=[])
        if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
            raise self._wrong(name, "a list of tables")
        return tuple(found)

    def _wrong(self, name: str, expected: str) -> AuditorError:
        return self.refused(name, f"{name} = {shown(self.entry(name))}", expected)


def shown(value: object) -> str:
    """A value of a user's document, in a message: ASCII, at most 60 characters."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
