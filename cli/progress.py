"""Progress of long work: bars on a terminal, a line every ten seconds elsewhere, nothing when quiet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cli.output import Output, harmless

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_SECONDS = 10.0
"""Between two lines about the same work where no bar can be drawn."""

WORDS = 60
"""Characters of a bar's words: a bar that wraps flickers."""


class Track(Protocol):
    """Several pieces of long work, each known by a key."""

    def move(self, key: str, share: float, words: str) -> None:
        """How far one piece is, from 0 to 1, and what it does now."""

    def end(self, key: str, words: str) -> None:
        """One piece is over; ``words`` is its result."""


@dataclass
class Bars:
    """One bar for each piece that is not over."""

    output: Output
    drawn: Progress
    rows: dict[str, TaskID] = field(default_factory=dict)

    def move(self, key: str, share: float, words: str) -> None:
        """Draw the bar."""
        if key not in self.rows:
            self.rows[key] = self.drawn.add_task(harmless(key), total=1.0, words="")
        self.drawn.update(self.rows[key], completed=share, words=harmless(words)[:WORDS])

    def end(self, key: str, words: str) -> None:
        """Take the bar away and leave a line above the others."""
        row = self.rows.pop(key, None)
        if row is not None:
            self.drawn.remove_task(row)
        self.drawn.console.print(f"{harmless(key)}: {harmless(words)}", markup=False, highlight=False)


@dataclass
class Lines:
    """A line every ten seconds while a piece moves, and one when it ends; work that is shorter prints only the last."""

    output: Output
    last_lines: dict[str, tuple[float, str]] = field(default_factory=dict)

    def move(self, key: str, share: float, words: str) -> None:
        """Print the progress of the piece, unless it was printed just before."""
        now = time.monotonic()
        then, said = self.last_lines.setdefault(key, (now, ""))
        line = f"{key}: {share:.0%} {words}".rstrip()
        if line != said and now - then >= LINE_SECONDS:
            self.last_lines[key] = (now, line)
            self.output.note(line)

    def end(self, key: str, words: str) -> None:
        """Print how it ended."""
        self.last_lines.pop(key, None)
        self.output.note(f"{key}: {words}")


@contextmanager
def tracking(output: Output) -> Iterator[Track]:
    """The track that fits where stderr goes."""
    if not output.draws:
        yield Lines(output)
        return
    with output.bars() as drawn:
        yield Bars(output, drawn)
