"""CSV as people's spreadsheets save it: separated by commas, semicolons or tabs, with blanks around the cells."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass

from auditor.errors import AuditorError

SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: where it stands in the file, its filled cells by column, and what is wrong with it."""

    line: int
    cells: dict[str, str]
    problem: str = ""


def read_table(text: str, where: object, kind: type[AuditorError], *, column: str, expected: str) -> list[Row]:
    """The rows of a CSV text that has a header with ``column``; ``where`` names its file in the message.

    Blanks around cells, empty rows and empty columns mean nothing; a first line ``sep=;`` is the spreadsheet's own.

    Raises:
        kind: no such column, a column twice, or quotes that do not end.
    """
    lines = text.splitlines(keepends=True)
    skipped = 1 if lines and lines[0].strip().lower().startswith("sep=") else 0
    header_line = next((line for line in lines[skipped:] if line.strip()), "")
    separator = max(SEPARATORS, key=lambda one: _columns(header_line, one, column))
    reader = csv.reader(lines[skipped:], delimiter=separator, skipinitialspace=separator != "\t", strict=True)
    try:
        rows = [(reader.line_num + skipped, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as wrong:
        raise kind(f"{where}:{reader.line_num + skipped}: {wrong}", expected=expected) from None
    (_, names), *filled = [(line, row) for line, row in rows if any(row)] or [(1, [""])]
    header = [name.lower() for name in names]
    if column not in header:
        raise kind(f"{where}: no column {column}", expected=expected)
    twice = next((name for name, count in Counter(header).items() if name and count > 1), None)
    if twice is not None:
        raise kind(f"{where}: two columns {twice}", expected=expected)
    return [_row(line, header, row) for line, row in filled]


def _columns(header: str, separator: str, wanted: str) -> int:
    """How many columns a separator makes; none where it does not cut out the wanted one."""
    names = [name.strip().strip('"').strip().lower() for name in header.split(separator)]
    return len(names) if wanted in names else 0


def _row(line: int, header: list[str], row: list[str]) -> Row:
    cells = {name: cell for name, cell in zip(header, row, strict=False) if name and cell}
    outside = [cell for place, cell in enumerate(row) if cell and (place >= len(header) or not header[place])]
    return Row(line, cells, f"{outside[0]!r} stands under no column of the header" if outside else "")
