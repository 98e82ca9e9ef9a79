"""Files of strings in the formats that people keep them in, as lines with their labels and weights.

    text       one string a line; blank lines are skipped
    princeton  the same, tokens separated by blanks and END last: ``(a (b b) a) END``
    csv        a header with ``string``, and with ``label`` and ``weight`` where there are some; .tsv too
    jsonl      one a line: "string", {"string" or "tokens": …, "label": …, "weight": …}, or ["string", label, weight]
    json       one array of such entries

The meaning of a string is not checked here, so no model is needed.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.errors import LanguageError
from auditor.files.csv_table import read_table
from auditor.files.documents import shown
from auditor.files.text_file import decoded, read_bytes
from auditor.records import StringsFile
from auditor.strings.json_entries import Entry, array_entries, line_entries

FORMATS = ("text", "princeton", "csv", "jsonl", "json")
SUFFIXES = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json"}

LARGEST_BYTES = 20_000_000
MOST_STRINGS = 1_000_000

_PRINCETON = re.compile(r"(?:(?:START|\(([a-z])\1*|([a-z])\2*\))[ \t]+)*END")
_EXPECTED = "a file of strings: one a line, or .csv, .tsv, .jsonl or .json"
_FIELDS = ("string", "label", "weight")


@dataclass(frozen=True, slots=True)
class Line:
    """One string, its place in its file, its class and its weight."""

    number: int
    text: str
    label: int | None = None
    weight: float = 1.0


def open_strings(path: Path, format: str = "auto") -> StringsFile:  # noqa: A002 - as in --strings-format
    """The file as it will be read. "auto" goes by the name's ending, and for text by whether each line ends with END.

    Raises:
        LanguageError: no such file or format, no text, or too large.
    """
    if format not in ("auto", *FORMATS):
        raise _no_format(format)
    data = read_bytes(path, LanguageError, expected=_EXPECTED, limit=LARGEST_BYTES)
    text = _text(data, f"{path.name}: ")
    known = suffix_format(path) if format == "auto" else format
    return _strings_file(data, _text_format(text) if format == "auto" and known == "text" else known)


def suffix_format(path: Path) -> str:
    """The format by the file's ending; "text" for any other ending."""
    return SUFFIXES.get(path.suffix.lower(), "text")


def strings_of(texts: Sequence[str]) -> StringsFile:
    """Strings given without a file, as the equivalent text file."""
    text = "".join(f"{one}\n" for one in texts)
    return _strings_file(text.encode(), _text_format(text))


def lines_of_strings(file: StringsFile) -> list[Line]:
    """The strings in their order.

    Raises:
        LanguageError: a line that is not of the format, by number; no such format, no string at all, or too many.
    """
    if file.format not in _READERS:
        raise _no_format(file.format)
    text = _text(file.data, "")
    lines = list(_READERS[file.format](text))
    if not lines:
        raise LanguageError("no strings", expected="one at least")
    if len(lines) > MOST_STRINGS:
        raise LanguageError(f"{len(lines):,} strings", expected=f"at most {MOST_STRINGS:,}")
    labelled = sum(line.label is not None for line in lines)
    if labelled not in (0, len(lines)):
        first = next(line for line in lines if line.label is None)
        raise LanguageError(f"line {first.number}: no label", expected="one for each string, or for none")
    return lines


def _no_format(name: str) -> LanguageError:
    return LanguageError(f"no format of strings {shown(name)}", expected=", ".join(("auto", *FORMATS)))


def _strings_file(data: bytes, format: str) -> StringsFile:  # noqa: A002
    return StringsFile(hashlib.sha256(data).hexdigest(), len(data), format, data)


def _text(data: bytes, where: str) -> str:
    try:
        return decoded(data)
    except ValueError as wrong:
        raise LanguageError(f"{where}{wrong}", expected=f"{_EXPECTED}, in UTF-8") from None


def _text_format(text: str) -> str:
    lines = [line.strip() for line in text.split("\n")]
    is_princeton = any(lines) and all(_PRINCETON.fullmatch(line) for line in lines if line)
    return "princeton" if is_princeton else "text"


def _plain(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield Line(number, line)


def _princeton(text: str) -> Iterator[Line]:
    for line in _plain(text):
        if not _PRINCETON.fullmatch(line.text.strip()):
            raise LanguageError(
                f"line {line.number}: {shown(line.text)}",
                expected="tokens such as (a and a) with blanks between them, and END last",
            )
        yield line


def _table(text: str) -> Iterator[Line]:
    expected = "a CSV file whose header has string, and label and weight where there are some"
    for row in read_table(text, "CSV", LanguageError, column="string", expected=expected):
        other = next((name for name in row.cells if name not in _FIELDS), None)
        problem = row.problem or (f"a column {shown(other)}" if other else "")
        if problem or "string" not in row.cells:
            raise LanguageError(f"line {row.line}: {problem or 'no string'}", expected="string, label, weight")
        label, weight = row.cells.get("label"), row.cells.get("weight")
        yield _line(Entry(row.line, row.cells["string"], _number(label), _number(weight)))


def _json_lines(text: str) -> Iterator[Line]:
    return map(_line, line_entries(text))


def _json_array(text: str) -> Iterator[Line]:
    return map(_line, array_entries(text))


_READERS = {"text": _plain, "princeton": _princeton, "csv": _table, "jsonl": _json_lines, "json": _json_array}


def _number(cell: str | None) -> object:
    """A cell as the number that it spells, or as it is."""
    if cell is None:
        return None
    try:
        return int(cell) if cell.isascii() and cell.isdigit() else float(cell)
    except ValueError:
        return cell


def _line(entry: Entry) -> Line:
    label, weight = entry.label, 1.0 if entry.weight is None else entry.weight
    if label is not None and (type(label) is not int or not 0 <= label < 2**31):
        raise LanguageError(f"line {entry.number}: label {shown(label)}", expected="a class: a whole number from 0")
    if type(weight) not in (int, float) or not math.isfinite(weight) or not 0 < weight < 1e12:  # type: ignore[arg-type, operator]
        raise LanguageError(f"line {entry.number}: weight {shown(weight)}", expected="a number above 0")
    return Line(entry.number, entry.text, label, float(weight))  # type: ignore[arg-type]
