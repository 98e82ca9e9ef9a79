"""The only file that prints.

Results go to stdout: one JSON document, text, or tables. Progress, notes and errors go to stderr, so that a pipe
carries results only. On a terminal tables have colours and fit the window; in a pipe they are plain, aligned and
never cut. ``NO_COLOR`` and ``TERM=dumb`` are honoured. Where a stream's encoding lacks a letter, the nearest replaces
it, and errors and notes never show the password of a URL.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from auditor.urls import without_passwords
from cli.encoding import never_fail, written

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

NARROWEST = 12
"""Columns of text narrower than this cannot be read; a table that would need one is written as a list."""

DUMB = ("dumb", "unknown")
"""Names of terminals that cannot move their cursor."""

STYLES = {
    "stable": "green",
    "done": "green",
    "ok": "green",
    "unstable": "bold red",
    "failed": "bold red",
    "problem": "bold red",
    "inconclusive": "yellow",
    "incomplete": "yellow",
    "cancelled": "yellow",
    "running": "cyan",
}
"""Colours of verdicts and states."""


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command writes, and how much."""

    quiet: bool = False
    verbose: bool = False
    secrets: tuple[str, ...] = ()  # hidden in every error, like the passwords of URLs

    def document(self, value: Any) -> None:
        """One JSON document on stdout; NaN and infinity are refused."""
        _write(json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n")

    def record(self, value: Any) -> None:
        """One JSON value on one line of stdout."""
        _write(json.dumps(value, ensure_ascii=True, allow_nan=False) + "\n")

    def text(self, text: str) -> None:
        """Text on stdout as it is, with one line end."""
        _write(text.rstrip("\n") + "\n")

    def line(self, text: str) -> None:
        """One line on stdout that may hold names of users: harmless, whatever they are."""
        self.text(harmless(text))

    def page(self, text: str) -> None:
        """HTML on stdout, declared as UTF-8; in other encodings missing letters are character references."""
        encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
        _write(text if encoding == "utf8" else text.encode("ascii", "xmlcharrefreplace").decode())

    def show(self, *renderables: RenderableType) -> None:
        """What the report draws, on stdout."""
        _write(_rendered(renderables, pipe_width=PAGE_WIDTH))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table on stdout. A column whose name ends with ">" is aligned to the right; a missing value is a dash."""
        from rich import box
        from rich.table import Table

        terminal = _is_terminal(sys.stdout)
        cells = [[_cell(value) for value in row] for row in rows]
        if terminal and _narrowest(columns, cells) > _width():
            _write(_rendered([_listed(columns, cells)], pipe_width=TABLE_WIDTH))
            return
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
            _stderr(harmless(without_passwords(text)))

    def error(self, text: str) -> None:
        """The one line with the reason why a command failed."""
        _stderr(f"{NAME}: {harmless(without_passwords(text, self.secrets))}")

    def traceback(self, error: BaseException) -> None:
        """The whole traceback on stderr."""
        import traceback

        _stderr(without_passwords("".join(traceback.format_exception(error)).rstrip(), self.secrets))

    @property
    def draws(self) -> bool:
        """Whether progress is drawn: stderr is a terminal that can move its cursor, and quiet was not asked for."""
        return not self.quiet and _is_terminal(sys.stderr) and os.environ.get("TERM") not in DUMB

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


def prepare_streams() -> None:
    """Let stdout and stderr take any text, whatever their encoding, and be there even where they were closed."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open until the end
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    never_fail(sys.stdout)
    never_fail(sys.stderr)
    if os.environ.get("TERM") in DUMB:  # rich takes such a terminal to have 80 columns, and draws the help
        os.environ.setdefault("TERMINAL_WIDTH", str(_width()))


def silence() -> None:
    """Discard further output: the reader of a pipe has closed it."""
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
    width = _width() if terminal else pipe_width
    console = Console(width=width, height=100, markup=False, highlight=False, emoji=False)  # a height: else dumb is 80
    with console.capture() as capture:
        for renderable in renderables:
            console.print(renderable)
    text = capture.get()
    return text if terminal else "".join(line.rstrip() + "\n" for line in text.splitlines())


def _width() -> int:
    """Columns of the terminal, a dumb one included."""
    return shutil.get_terminal_size().columns


def _narrowest(columns: Sequence[str], cells: Sequence[Sequence[Any]]) -> int:
    """How wide a table must be for every column to be read."""
    needed = 0
    for place, column in enumerate(columns):
        widest = max((len(row[place]) for row in cells), default=0)
        name = len(column.rstrip(">"))
        needed += max(widest, name) + 1 if widest <= WHOLE_LETTERS else max(NARROWEST, name) + 1
    return needed


def _listed(columns: Sequence[str], cells: Sequence[Sequence[Any]]) -> RenderableType:
    """A table as a list: each row as lines of a column's name and the cell."""
    from rich.table import Table

    listed = Table.grid(padding=(0, 1, 0, 0))
    listed.add_column(style="dim", no_wrap=True)
    listed.add_column(overflow="fold")
    for number, row in enumerate(cells):
        if number:
            listed.add_row()
        for column, cell in zip(columns, row, strict=True):
            listed.add_row(column.rstrip(">"), cell)
    return listed


def _cell(value: object) -> Any:
    from rich.text import Text

    text = "–" if value is None else harmless(value)
    return Text(written(text, getattr(sys.stdout, "encoding", None)), style=STYLES.get(text, ""))


def _write(text: str) -> None:
    sys.stdout.write(text)


def _stderr(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
