"""The only file that prints.

Results go to stdout: one JSON document, text, or tables. Progress, notes and errors go to stderr, so that a pipe
carries results only. On a terminal tables have colours and fit the window; in a pipe they are plain, aligned and
never cut.
``NO_COLOR`` and ``TERM=dumb`` are honoured.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress

NAME = "dyck-audit"
TABLE_WIDTH = 10_000
"""Columns of a table in a pipe: no cell is wrapped or cut."""

PAGE_WIDTH = 120
"""Columns of a whole report in a pipe."""

WHOLE_LETTERS = 14
"""A column of ids, states or numbers up to this wide is never broken into lines: ids are copied."""

STYLES = {
    "stable": "green",
    "done": "green",
    "ok": "green",
    "unstable": "bold red",
    "failed": "bold red",
    "problem": "bold red",
    "inconclusive": "yellow",
    "cancelled": "yellow",
    "running": "cyan",
}
"""Colours of the words that say how something went."""


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command writes, and how much."""

    quiet: bool = False
    verbose: bool = False

    def document(self, value: Any) -> None:
        """One JSON document on stdout; NaN and infinity are refused."""
        _write(json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n")

    def record(self, value: Any) -> None:
        """One JSON value on one line of stdout."""
        _write(json.dumps(value, ensure_ascii=True, allow_nan=False) + "\n")

    def text(self, text: str) -> None:
        """Text on stdout as it is, with one line end."""
        _write(text.rstrip("\n") + "\n")

    def show(self, *renderables: RenderableType) -> None:
        """What the report draws, on stdout."""
        _write(_rendered(renderables, pipe_width=PAGE_WIDTH))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table on stdout. A column whose name ends with ">" is aligned to the right; a missing value is a dash."""
        from rich import box
        from rich.table import Table

        terminal = _is_terminal(sys.stdout)
        cells = [[_cell(value) for value in row] for row in rows]
        table = Table(
            box=box.SIMPLE_HEAD if terminal else None, pad_edge=False, padding=(0, 1 if terminal else 2, 0, 0)
        )
        for place, column in enumerate(columns):
            justify: Literal["left", "right"] = "right" if column.endswith(">") else "left"
            whole = all(len(row[place]) <= WHOLE_LETTERS for row in cells)
            table.add_column(column.rstrip(">"), justify=justify, overflow="fold", no_wrap=whole)
        for row in cells:
            table.add_row(*row)
        _write(_rendered([table], pipe_width=TABLE_WIDTH))

    def note(self, text: str) -> None:
        """A line on stderr for a person; nothing when quiet."""
        if not self.quiet:
            _stderr(harmless(text))

    def error(self, text: str) -> None:
        """The one line that says why a command failed."""
        _stderr(f"{NAME}: {harmless(text)}")

    def traceback(self, error: BaseException) -> None:
        """The whole traceback on stderr."""
        import traceback

        _stderr("".join(traceback.format_exception(error)).rstrip())

    @property
    def draws(self) -> bool:
        """Whether progress is drawn: stderr is a terminal and nobody asked for quiet."""
        return not self.quiet and _is_terminal(sys.stderr)

    @contextmanager
    def bars(self) -> Iterator[Progress]:
        """Progress bars on stderr, with a field ``words`` beside each; they vanish at the end."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.table import Column

        columns = (
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=12, table_column=Column(min_width=12)),
            TimeElapsedColumn(table_column=Column(min_width=7)),
            TextColumn("{task.fields[words]}", markup=False, table_column=Column(no_wrap=True, ratio=1)),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True, disable=not self.draws) as bars:
            yield bars


def harmless(text: object) -> str:
    """One line in which no character moves the cursor or reorders the text."""
    from auditor.report.wording import plain

    return plain(text, 2_000)


def silence() -> None:
    """Let nothing more be written: the reader of a pipe has gone."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(null, stream.fileno())
        except (OSError, ValueError):  # a stream without a file, or one that is closed
            continue


def _is_terminal(stream: Any) -> bool:
    return bool(stream.isatty()) or bool(os.environ.get("FORCE_COLOR"))


def _rendered(renderables: Iterable[RenderableType], *, pipe_width: int) -> str:
    """The text of renderables for stdout; in a pipe without colours and without blanks at line ends."""
    from rich.console import Console

    terminal = _is_terminal(sys.stdout)
    console = Console(width=None if terminal else pipe_width, markup=False, highlight=False, emoji=False)
    with console.capture() as capture:
        for renderable in renderables:
            console.print(renderable)
    text = capture.get()
    return text if terminal else "".join(line.rstrip() + "\n" for line in text.splitlines())


def _cell(value: object) -> Any:
    from rich.text import Text

    text = "–" if value is None else harmless(value)
    return Text(text, style=STYLES.get(text, ""))


def _write(text: str) -> None:
    sys.stdout.write(text)


def _stderr(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
