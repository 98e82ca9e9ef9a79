"""``predict``: what a model says after each string."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from auditor.text_file import lines_of
from cli.checkpoints import read_checkpoint
from cli.invocation import invocation
from cli.options import Checkpoint, Config, EntryName, FormatName

if TYPE_CHECKING:
    from auditor.behaviour.predictions import Numbered

TOGETHER = 512
"""Strings that are read, run and printed at a time."""


def predict(
    context: typer.Context,
    checkpoint: Checkpoint,
    *,
    strings: Annotated[
        Path | None, typer.Option(help="A file with one string per line; - reads stdin.", show_default=False)
    ] = None,
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
    model = read_checkpoint(checkpoint, output, config=config, format_name=format_name, entry=entry).model
    waiting = iter(_numbered(strings, string or ()))
    while together := list(islice(waiting, TOGETHER)):
        for record in predictions(model, together, all_positions=all_positions):
            output.record(record)


def _numbered(file: Path | None, given: Sequence[str]) -> Iterator[Numbered]:
    for place, text in enumerate(given, start=1):
        yield f"string {place}", text
    if file is None:
        return
    if str(file) == "-":
        yield from _lines(sys.stdin.buffer)
        return
    with file.open("rb") as lines:
        yield from _lines(lines)


def _lines(stream: BinaryIO) -> Iterator[Numbered]:
    for number, line in enumerate(lines_of(stream), start=1):
        yield f"line {number}", line
