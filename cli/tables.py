"""Tables of findings to a file or a pipe, page by page, so that a million rows need no more memory than a few."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from cli.destinations import require_file
from cli.output import Output

if TYPE_CHECKING:
    from auditor.report.tables import Cell, Column

    Rows = Sequence[Sequence[Cell]]


class TableForm(StrEnum):
    """What a table is written as."""

    CSV = "csv"
    PARQUET = "parquet"


def require_table(form: TableForm, out: Path | None) -> None:
    """Refuse, before any work, a table that could not be written.

    Raises:
        ReportError: Parquet to the terminal or without its library, or a file that cannot be made.
    """
    from auditor.errors import ReportError
    from auditor.report.parquet import require_pyarrow

    is_file = out is not None and str(out) != "-"
    if form is TableForm.PARQUET:
        if not is_file:
            raise ReportError("Parquet is not text", expected="a file", action="add --out FILE")
        require_pyarrow()
    if is_file:
        require_file(Path(str(out)))


def write_table(
    output: Output, form: TableForm, columns: Sequence[Column], pages: Iterable[Rows], out: Path | None
) -> int:
    """Write the pages in turn, to a file that is whole or not there; how many rows."""
    from auditor.files.whole_file import writing_whole
    from auditor.report.parquet import parquet_table
    from auditor.report.tables import csv_header, csv_lines

    count = 0
    with ExitStack() as stack:
        file = None if out is None or str(out) == "-" else stack.enter_context(writing_whole(out))
        table = None if file is None or form is TableForm.CSV else stack.enter_context(parquet_table(file, columns))
        if table is None:
            _text(output, file, csv_header(columns))
        for rows in pages:
            count += len(rows)
            if table is not None:
                table.write(rows)
            elif rows:
                _text(output, file, csv_lines(rows))
    if file is not None:
        output.note(f"written: {out}, {count:,} rows")
    return count


def _text(output: Output, file: object, text: str) -> None:
    if file is None:
        output.text(text)
    else:
        file.write(text.encode())  # type: ignore[attr-defined]
