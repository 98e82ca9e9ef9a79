"""Records as JSON documents and as cells of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any


def document(value: Any) -> Any:
    """A record, or anything made of records, as JSON: times in UTC ISO-8601, enumerations as their words."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: document(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): document(entry) for name, entry in value.items()}
    if isinstance(value, set | frozenset):
        return [document(entry) for entry in sorted(value)]
    if isinstance(value, list | tuple):
        return [document(entry) for entry in value]
    if isinstance(value, datetime):
        return moment(value, seconds=True)
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def moment(when: datetime | None, *, seconds: bool = False) -> str | None:
    """A time in UTC: ISO-8601 for documents, to the minute for tables."""
    if when is None:
        return None
    utc = when.astimezone(UTC) if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return utc.isoformat().replace("+00:00", "Z") if seconds else utc.strftime("%Y-%m-%d %H:%M")
