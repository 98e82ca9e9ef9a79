"""Short ids, and finding the one row that an id, a prefix of it, or a name means."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import Column, ColumnElement, Connection, select

from auditor.errors import AmbiguousError, NotFoundError

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32, lower case: no i, l, o, u."""

LENGTH = 10
"""Letters after the prefix: 50 bits, so that among 10⁵ ids two are equal with probability under 10⁻⁵."""

LATEST = "latest"
"""The word that names the newest audit."""

LAST_LETTER = "\U0010ffff"
"""The highest code point, after all that an id may hold."""

_SHOWN = 5


def new_id(prefix: str) -> str:
    """A fresh random id such as "a7k2m9x4tqe"."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def content_id(prefix: str, sha256: str) -> str:
    """The id that belongs to a SHA-256 in hex, of the same form as a random one."""
    number = int(sha256, 16)
    return prefix + "".join(ALPHABET[(number >> (5 * place)) & 31] for place in range(LENGTH))


def resolve(session: Connection, text: str, *, id_column: Column[str], what: str, list_command: str) -> str:
    """The full id that ``text`` names: the id itself, else the only one that starts with it.

    Raises:
        NotFoundError: nothing starts with the text.
        AmbiguousError: several ids start with it; the message lists them.
    """
    query = select(id_column).where(begins(session, id_column, text)).distinct()
    matches = [row[0] for row in session.execute(query.order_by(id_column).limit(_SHOWN + 1))] if text else []
    if text in matches:
        return text
    return only_match(text, matches, what=what, list_command=list_command)


def begins(session: Connection, column: Column[str], text: str) -> ColumnElement[bool]:
    """Whether a text of a column starts so, in a form that an index answers.

    SQLite compares by code point, so these texts are a range; its LIKE ignores case and reads every row. On PostgreSQL
    the order of a range depends on the locale; LIKE does not, and an index of ``text_pattern_ops`` answers it.
    """
    if session.dialect.name == "sqlite":
        return (column >= text) & (column < text + LAST_LETTER)
    return column.startswith(text, autoescape=True)


def only_match(text: str, matches: Sequence[str], *, what: str, list_command: str) -> str:
    """The single match, or an error with what to type next."""
    article = "an" if what[0] in "aeiou" else "a"
    if not matches:
        raise NotFoundError(
            f"no {what} matches {text!r}",
            expected=f"{article} {what} id, a prefix of one, or a name where there are names",
            action=f"list them with `{list_command}`",
        )
    if len(matches) > 1:
        listed = ", ".join(matches[:_SHOWN]) + (", …" if len(matches) > _SHOWN else "")
        raise AmbiguousError(
            f"{text!r} matches more than one {what}: {listed}", expected="one match", action="type more of the id"
        )
    return matches[0]
