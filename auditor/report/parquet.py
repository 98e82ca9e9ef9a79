"""Tables as Parquet, with the types of their columns in the file. Needs pyarrow, which is installed on request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import IO, Any

from auditor.errors import ReportError
from auditor.report.tables import Cell, Column, table_schema

SCHEMA_KEY = "dyck-audit/table-schema"
"""Where the metadata of the file hold the columns as a Table Schema, what each means included."""


class ParquetTable:
    """A file that is being written, a batch of rows at a time."""

    def __init__(self, arrow: ModuleType, writer: Any, columns: Sequence[Column]) -> None:
        self._arrow, self._writer, self._columns = arrow, writer, columns

    def write(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Add rows."""
        schema = self._writer.schema
        arrays = [
            self._arrow.array([_value(row[place]) for row in rows], type=schema.field(place).type)
            for place in range(len(self._columns))
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=schema))


@contextmanager
def parquet_table(file: IO[bytes], columns: Sequence[Column]) -> Iterator[ParquetTable]:
    """Write a table into an open file, which is complete at the end of the block.

    Raises:
        ReportError: pyarrow is not installed.
    """
    arrow = require_pyarrow()
    from pyarrow import parquet

    types = {
        "string": arrow.string(), "integer": arrow.int64(), "number": arrow.float64(), "boolean": arrow.bool_(),
    }  # fmt: skip
    fields = [arrow.field(one.name, types[one.type], metadata={"description": one.about}) for one in columns]
    schema = arrow.schema(fields, metadata={SCHEMA_KEY: json.dumps(table_schema(columns))})
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        yield ParquetTable(arrow, writer, columns)


def require_pyarrow() -> ModuleType:
    """The library, or one line that says how to get it.

    Raises:
        ReportError: it is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise ReportError(
            "Parquet needs pyarrow, which is not installed",
            expected="it beside this package",
            action="type `pip install 'dyck-audit[parquet]'`, or choose --format csv",
        ) from error
    module: ModuleType = pyarrow
    return module


def _value(value: Cell) -> Cell:
    """Text that UTF-8 can hold: a lone surrogate, which only a file not of this package's making has, is escaped."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
