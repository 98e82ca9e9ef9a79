"""Column types that refuse what the two databases would treat differently, before it reaches either.

SQLite stores a NaN as NULL and an infinity in JSON as invalid JSON; PostgreSQL refuses a NUL in text and a NaN in JSON.
A value refused here is refused on both, with one message that gives its place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Double, Text
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.types import TypeDecorator

from auditor.errors import StoreError


class UnstorableValueError(StoreError, DontWrapMixin):
    """A value that the databases cannot hold alike: NaN, infinity, NUL, a lone surrogate, a naive time, no JSON."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite, which knows no time zones, holds it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware UTC on the way in, naive UTC on SQLite."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise UnstorableValueError(f"the time {value} has no time zone", expected="an aware datetime")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware UTC on the way out."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class CleanText(TypeDecorator[str]):
    """Text without NUL and without lone surrogates."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - the signature
        """The same text, or a refusal."""
        if value is None:
            return None
        offence = _text_offence(value)
        if offence:
            raise UnstorableValueError(f"text that {offence}: {value[:60]!r}", expected="plain Unicode text")
        return str(value)


class FiniteFloat(TypeDecorator[float]):
    """A double that is a number."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:  # noqa: ARG002 - the signature
        """The same number, or a refusal."""
        if value is None:
            return None
        if not math.isfinite(value):
            raise UnstorableValueError(
                f"the number {value} is not finite", expected="a finite number, or null and a reason"
            )
        return float(value)


class CleanJson(TypeDecorator[Any]):
    """A JSON document of finite numbers and clean text, its keys in the order they were given.

    JSON and not JSONB on PostgreSQL: JSONB reorders keys and rewrites numbers, and no query looks inside.
    """

    impl = JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - the signature
        """The same document, or a refusal that names the path of the first offence."""
        require_clean_json(value)
        return value


def require_clean_json(value: Any, *, name: str = "value") -> None:
    """Refuse a document that would not come back as it went in.

    Raises:
        UnstorableValueError: with the path of the first NaN, infinity, NUL, lone surrogate, odd key or odd object.
    """
    offence = _json_offence(value, name)
    if offence:
        raise UnstorableValueError(
            offence, expected="finite numbers, plain text, lists and objects; null and a reason else"
        )


def _text_offence(text: str) -> str:
    if "\x00" in text:
        return "holds a NUL character"
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        return "holds a lone surrogate"
    return ""


def _json_offence(value: Any, path: str) -> str:
    offence = ""
    if isinstance(value, float):
        offence = "" if math.isfinite(value) else f"{path} is {value}"
    elif isinstance(value, str):
        offence = _text_offence(value)
        offence = offence and f"{path} {offence}"
    elif isinstance(value, Mapping):
        odd = [key for key in value if not isinstance(key, str) or _text_offence(key)]
        entries = (_json_offence(entry, f"{path}.{key}") for key, entry in value.items())
        offence = f"{path} has the key {odd[0]!r}" if odd else next(filter(None, entries), "")
    elif isinstance(value, list | tuple):
        entries = (_json_offence(entry, f"{path}[{place}]") for place, entry in enumerate(value))
        offence = next(filter(None, entries), "")
    elif value is not None and not isinstance(value, int):
        offence = f"{path} is a {type(value).__name__}"
    return offence
