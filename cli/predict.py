"""``predict``: the probabilities that a model gives after each string."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from auditor.files.text_file import lines_of
from cli.checkpoints import read_checkpoint
from cli.invocation import invocation
from cli.options import Checkpoint, Config, EntryName, FormatName, StringsFormat

if TYPE_CHECKING:
    from auditor.behaviour.predictions import Numbered

TOGETHER = 512
"""Strings that are read, run and printed at a time."""


def predict(
    context: typer.Context,
    checkpoint: Checkpoint,
    *,
    strings: Annotated[
        Path | None,
        typer.Option(
            help="A file: one string a line, or .csv, .tsv, .jsonl, .json; - reads stdin.", show_default=False
        ),
    ] = None,
    strings_format: StringsFormat = "auto",
    string: Annotated[list[str] | None, typer.Option(help="A string; may be repeated.", show_default=False)] = None,
    config: Config = None,
    format_name: FormatName = "auto",
    entry: EntryName = None,
    all_positions: Annotated[bool, typer.Option("--all-positions", help="After every token.")] = False,
) -> None:
    """Print next-token (or class) probabilities for strings, one JSON line each; stores nothing."""
    if strings is None and not string:
        raise typer.BadParameter("give --strings FILE, --strings - or --string TEXT")
    from auditor.behaviour.predictions import predictions
    from auditor.errors import LanguageError

    output = invocation(context).output
    if strings is not None and not (str(strings) == "-" or strings.exists()):
        raise LanguageError(
            f"{strings}: No such file", expected="a file with one string per line, or -", action="check the path"
        )
    if str(strings) == "-" and strings_format not in ("auto", "text"):
        raise typer.BadParameter("stdin is read as text, one string a line")
    model = read_checkpoint(checkpoint, output, config=config, format_name=format_name, entry=entry).model
    waiting = iter(_numbered(strings, strings_format, string or ()))
    while together := list(islice(waiting, TOGETHER)):
        for record in predictions(model, together, all_positions=all_positions):
            output.record(record)


def _numbered(file: Path | None, format_name: str, given: Sequence[str]) -> Iterator[Numbered]:
    """The strings with their places. A text is read as it comes, and an empty line of it is the empty string."""
    for place, text in enumerate(given, start=1):
        yield f"string {place}", text
    if file is None:
        return
    if str(file) == "-":
        yield from _lines(sys.stdin.buffer)
        return
    from auditor.strings.reading import lines_of_strings, open_strings, suffix_format

    if (suffix_format(file) if format_name == "auto" else format_name) != "text":
        for line in lines_of_strings(open_strings(file, format_name)):
            yield f"line {line.number}", line.text
        return
    with file.open("rb") as lines:
        yield from _lines(lines)


def _lines(stream: BinaryIO) -> Iterator[Numbered]:
    for number, line in enumerate(lines_of(stream), start=1):
        yield f"line {number}", line
