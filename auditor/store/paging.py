"""Pages of a list by keyset: a page begins after a row, not at a number, so the last page costs what the first does.

    rows after (x, y) in the order of a, b:    a > x  or  (a = x and b > y)

Rows that are added or removed meanwhile shift nothing: no row is shown twice or left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, UnaryExpression, and_, or_
from sqlalchemy.sql.operators import custom_op

from auditor.errors import FilterError

T = TypeVar("T")

COUNTED = 1_000
"""Rows up to which a list is counted: beyond it says "more than" that, and the whole of a large store is not read."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list."""

    rows: tuple[T, ...]
    next: str | None  # what ``Filter.after`` must be for the rows that follow; None: there are none


@dataclass(frozen=True, slots=True)
class SortKey:
    """One of the expressions that a list is sorted by. It is never NULL, which the databases sort differently."""

    expression: ColumnElement[Any]
    is_descending: bool = False

    @property
    def ordered(self) -> ColumnElement[Any] | UnaryExpression[Any]:
        """For ``order_by``."""
        return self.expression.desc() if self.is_descending else self.expression

    def beyond(self, value: Any) -> ColumnElement[bool]:
        """Whether a row comes later by this key."""
        later: ColumnElement[bool] = self.expression < value if self.is_descending else self.expression > value
        return later


def beyond(keys: Sequence[SortKey], values: Sequence[Any]) -> ColumnElement[bool]:
    """The condition that a row comes after the one with these values."""
    first, value = keys[0], values[0]
    if len(keys) == 1:
        return first.beyond(value)
    later = or_(first.beyond(value), and_(first.expression == value, beyond(keys[1:], values[1:])))
    bound = first.expression <= value if first.is_descending else first.expression >= value
    return and_(bound, later)  # the bound follows from the rest; it lets an index begin there


def one_more(limit: int | None) -> int | None:
    """How many rows to ask for, so that :func:`page` sees whether there is another."""
    return None if limit is None else limit + 1


def page(rows: Sequence[T], limit: int | None, name: Callable[[T], str]) -> Page[T]:
    """The page of the rows that :func:`one_more` asked for; ``name`` is what a row is gone on after by."""
    shown = tuple(rows if limit is None else rows[:limit])
    return Page(shown, name(shown[-1]) if len(rows) > len(shown) else None)


def lost_place(text: str) -> FilterError:
    """The error about a row to go on after that is not there."""
    return FilterError(f"no row {text[:100]!r} to go on after", action="begin at the first page")


def unindexed(session: Connection, column: Column[Any]) -> ColumnElement[Any]:
    """A column that SQLite looks up in no index of its own (sqlite.org/optoverview.html, unary "+").

    SQLite knows nothing of how common a value is and takes an index of one column for the best, though the rows that it
    names are then read one by one. PostgreSQL, which counts, is left to choose.
    """
    if session.dialect.name != "sqlite":
        return column
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)
