"""Strings from JSON, one entry a line or one array of entries, each with the line that it begins on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from auditor.errors import LanguageError
from auditor.files.documents import shown

EXPECTED = '"string", {"string": …, "label": …, "weight": …} or ["string", label, weight]'
_BLANKS = " \t\n\r"
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Entry:
    """One string as written in the file; its label and weight are not checked."""

    number: int  # of its line
    text: str
    label: object = None
    weight: object = None


def line_entries(text: str) -> Iterator[Entry]:
    """One entry a line; blank lines are skipped.

    Raises:
        LanguageError: a line that is not JSON, or not an entry.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip(_BLANKS):
            value, end = _value(line, len(line) - len(line.lstrip(_BLANKS)), number)
            if line[end:].strip(_BLANKS):
                raise LanguageError(f"line {number}: {shown(line[end:].strip())} behind a value", expected=EXPECTED)
            yield _entry(number, value)


def array_entries(text: str) -> Iterator[Entry]:
    """The entries of one array.

    Raises:
        LanguageError: not an array, not JSON, or not an entry.
    """
    place, number = _skip(text, 0, 1)
    if text[place : place + 1] != "[":
        raise LanguageError(f"line {number}: {shown(text[place : place + 20])}", expected=f"an array of {EXPECTED}")
    place, number = _skip(text, place + 1, number)
    closed = text[place : place + 1] == "]"
    if closed:
        place, number = _skip(text, place + 1, number)
    while not closed:
        value, end = _value(text, place, number)
        yield _entry(number, value)
        number += text.count("\n", place, end)
        place, number = _skip(text, end, number)
        sign = text[place : place + 1]
        if sign not in (",", "]") or not sign:
            raise LanguageError(f"line {number}: {shown(text[place : place + 20])}", expected="a comma or ]")
        closed = sign == "]"
        place, number = _skip(text, place + 1, number)
    if place < len(text):
        raise LanguageError(f"line {number}: {shown(text[place : place + 20])} behind the array", expected="nothing")


def _skip(text: str, place: int, number: int) -> tuple[int, int]:
    """The next place that is not blank, and its line."""
    while place < len(text) and text[place] in _BLANKS:
        number += text[place] == "\n"
        place += 1
    return place, number


def _value(text: str, place: int, number: int) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, place)
    except json.JSONDecodeError as wrong:
        line = number + text.count("\n", place, wrong.pos)
        raise LanguageError(f"line {line}: not JSON: {wrong.msg}", expected=EXPECTED) from None
    except (ValueError, RecursionError):
        raise LanguageError(f"line {number}: a number too long or nested too deeply", expected=EXPECTED) from None


def _entry(number: int, value: object) -> Entry:
    if isinstance(value, str):
        return Entry(number, value)
    if isinstance(value, list) and 2 <= len(value) <= 3 and isinstance(value[0], str):
        return Entry(number, *value)
    if isinstance(value, Mapping) and set(value) <= {"string", "tokens", "label", "weight"}:
        text, tokens = value.get("string"), value.get("tokens")
        if isinstance(tokens, list) and all(isinstance(one, str) for one in tokens) and text is None:
            text = " ".join(tokens)
        if isinstance(text, str) and (tokens is None or "string" not in value):
            return Entry(number, text, value.get("label"), value.get("weight"))
    raise LanguageError(f"line {number}: {shown(value)}", expected=EXPECTED)
