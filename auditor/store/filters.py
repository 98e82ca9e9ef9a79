"""Which audits or findings a list shows, in what order and from where on: one frozen value, from any door.

Values are read where a filter is made, so one that exists is sound. Texts, such as those of a URL, are taken for any
of them; an empty one is no condition. ``read`` and ``to_query`` are inverse to each other.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from auditor.errors import FilterError
from auditor.records import AuditState, Basis, Verdict

_READER = "reader"
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_SHOWN = 8  # choices that an error lists where none is near
_LARGEST = 2**31 - 1


class AuditSort(StrEnum):
    """Orders of the history; newest first within equals."""

    CREATED = "created"  # newest first
    FINISHED = "finished"  # last finished first, unfinished at the end
    MODEL = "model"
    PLAN = "plan"
    STATE = "state"


class FindingSort(StrEnum):
    """Orders of findings; newest audit first within equals, then as in its report."""

    CREATED = "created"
    EFFECT = "effect"  # largest first, those without one at the end


class ClaimKind(StrEnum):
    """Kinds of claims, as ``auditor.records.Claim`` has them."""

    VALUE = "value"
    RANK = "rank"
    SET = "set"
    PATTERN = "pattern"
    PREDICATE = "predicate"
    COMPARISON = "comparison"
    EXISTENCE = "existence"
    CONJUNCTION = "conjunction"
    AGREEMENT = "agreement"


def read_moment(text: str, *, ahead: bool = False) -> datetime:
    """A date or time in ISO-8601 (UTC unless another zone is given), or a time before now such as 12h, 7d, 2w.

    ``ahead``: after now instead.

    Raises:
        FilterError: neither.
    """
    age = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if age:
        span = timedelta(**{_UNITS[age[2]]: int(age[1])})
        return datetime.now(UTC) + span if ahead else datetime.now(UTC) - span
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise FilterError(f"{text!r} is not a time", expected="2026-01-31, 2026-01-31T12:00, 12h, 7d or 2w") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def unknown(what: str, given: str, known: Collection[str], *, action: str = "") -> FilterError:
    """The error about a word that is none of those known, with those that look like it."""
    near = difflib.get_close_matches(given, known, n=5, cutoff=0.6)
    listed = near or sorted(known)[:_SHOWN]
    more = ", …" if not near and len(known) > _SHOWN else ""
    return FilterError(f"unknown {what} {given[:100]!r}", expected=", ".join(listed) + more, action=action)


def _text(_: str, value: object) -> str:
    return str(value)


def _moment(_: str, value: object) -> datetime:
    return value if isinstance(value, datetime) else read_moment(str(value))


def _choice(kind: type[StrEnum]) -> Callable[[str, object], StrEnum]:
    def read(name: str, value: object) -> StrEnum:
        if str(value) not in list(kind):
            raise unknown(name, str(value), [str(one) for one in kind])
        return kind(str(value))

    return read


def _whole(least: int) -> Callable[[str, object], int]:
    def read(name: str, value: object) -> int:
        text = str(value)
        if not re.fullmatch(r"[0-9]{1,10}", text) or not least <= int(text) <= _LARGEST:
            raise FilterError(f"{name} {text[:100]!r}", expected=f"a whole number, {least} or more")
        return int(text)

    return read


def _number(name: str, value: object) -> float:
    try:
        found = float(str(value))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise FilterError(f"{name} {str(value)[:100]!r}", expected="a finite number")
    return found


def _fact(name: str, value: object) -> bool:
    found = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(str(value).lower())
    if found is None:
        raise FilterError(f"{name} {str(value)[:100]!r}", expected="true or false")
    return found


def _by(read: Callable[[str, object], Any]) -> Mapping[str, Callable[[str, object], Any]]:
    return {_READER: read}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What both lists have. None is no condition.

    Raises:
        FilterError: a value that cannot be one; where it is one of a few words, the message lists those near it.
    """

    model: str | None = field(default=None, metadata=_by(_text))  # a name, or the start of an id
    function: str | None = field(
        default=None, metadata=_by(_text)
    )  # the start of its label, or a model that computes it
    since: datetime | None = field(default=None, metadata=_by(_moment))  # the audit was created then or later
    until: datetime | None = field(default=None, metadata=_by(_moment))  # the audit was created before
    limit: int | None = field(default=50, metadata=_by(_whole(1)))  # rows of a page; None: all
    after: str | None = field(default=None, metadata=_by(_text))  # where the page before ended: ``Page.next``

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            read = None if value is None else one.metadata[_READER](one.name, value)
            object.__setattr__(self, one.name, read)

    @classmethod
    def read(cls, given: Mapping[str, object]) -> Self:
        """From names and values, such as the parameters of a URL; empty ones are left out.

        Raises:
            FilterError: a name or a value that is none of this list.
        """
        known = {one.name for one in fields(cls)}
        for name in given:
            if name not in known:
                raise unknown("filter", name, known)
        return cls(**{name: value for name, value in given.items() if value not in (None, "")})  # type: ignore[arg-type]

    def to_query(self) -> dict[str, str]:
        """The names and values that differ from the default, as texts for a URL."""
        return {one.name: _written(getattr(self, one.name)) for one in fields(self) if _is_set(self, one)}

    @property
    def conditions(self) -> dict[str, str]:
        """``to_query`` without order and page: what may leave something out."""
        return {name: text for name, text in self.to_query().items() if name not in ("sort", "limit", "after")}

    def at_most(self, rows: int) -> Self:
        """The same list with no more rows on a page."""
        return replace(self, limit=rows if self.limit is None else min(self.limit, rows))

    def following(self, after: str | None) -> Self:
        """The same list from another place on."""
        return replace(self, after=after)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter(Filter):
    """Which audits the history shows."""

    state: str | None = field(default=None, metadata=_by(_choice(AuditState)))
    plan: str | None = field(default=None, metadata=_by(_text))  # its name
    verdict: str | None = field(default=None, metadata=_by(_choice(Verdict)))  # at least one finding has it
    sort: str = field(default=AuditSort.CREATED, metadata=_by(_choice(AuditSort)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFilter(Filter):
    """Which findings are shown. One of which a fact is not known passes neither value of it."""

    audit: str | None = field(default=None, metadata=_by(_text))  # an id, the start of one, or "latest"
    method: str | None = field(default=None, metadata=_by(_text))
    equivalence: str | None = field(default=None, metadata=_by(_text))
    layer: int | None = field(default=None, metadata=_by(_whole(0)))
    head: int | None = field(default=None, metadata=_by(_whole(0)))
    verdict: str | None = field(default=None, metadata=_by(_choice(Verdict)))
    min_effect: float | None = field(default=None, metadata=_by(_number))  # one without an effect never passes
    claim: str | None = field(default=None, metadata=_by(_choice(ClaimKind)))
    basis: str | None = field(default=None, metadata=_by(_choice(Basis)))
    invariant: bool | None = field(default=None, metadata=_by(_fact))
    resolved: bool | None = field(default=None, metadata=_by(_fact))
    sort: str = field(default=FindingSort.CREATED, metadata=_by(_choice(FindingSort)))


def _is_set(of: Filter, one: Field[Any]) -> bool:
    value = getattr(of, one.name)
    return value is not None and value != one.default


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else str(value)
