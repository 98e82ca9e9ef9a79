"""Which package each plug-in comes from: a last column, where some come from another than this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditor.registry import Named

Rows = Sequence[tuple[object, ...]]


def with_packages(columns: Sequence[str], rows: Rows, plugins: Mapping[str, Named]) -> tuple[Sequence[str], Rows]:
    """Columns and rows, one row for each plug-in in order, with the column where it is needed."""
    if all(one.origin.is_own for one in plugins.values()):
        return columns, rows
    origins = (str(one.origin) for one in plugins.values())
    return (*columns, "package"), [(*row, origin) for row, origin in zip(rows, origins, strict=True)]
