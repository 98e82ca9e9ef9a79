"""What theory predicts for each method under each exact symmetry, as one table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from auditor.records import Expected
from auditor.report.wording import plain

LETTERS: Mapping[Expected, str] = {
    Expected.INVARIANT: "=",
    Expected.RELABELLED: "L",
    Expected.DILUTED: "D",
    Expected.CHANGES: "C",
    Expected.FREE: "F",
    Expected.OPEN: "?",
}
"""Every prediction is a letter before it is a colour."""

MEANINGS: Mapping[Expected, str] = {
    Expected.INVARIANT: "every score stays",
    Expected.RELABELLED: "scores move with the names of the components",
    Expected.DILUTED: "scores are shared among the copies of a component",
    Expected.CHANGES: "scores move",
    Expected.FREE: "scores can be made anything",
    Expected.OPEN: "theory predicts nothing",
}
STYLES: Mapping[Expected, str] = {
    Expected.DILUTED: "yellow",
    Expected.CHANGES: "red",
    Expected.FREE: "bold red",
    Expected.OPEN: "dim",
}


COLUMNS = 21
"""Symmetries across one table at most: with the longest names of methods as wide as a page."""


def render_oracle(expected: Mapping[str, Mapping[str, Expected]], symmetries: Sequence[str]) -> RenderableType:
    """Methods down, symmetries across by number, so many to a table; numbers and letters are explained below."""
    count = math.ceil(len(symmetries) / COLUMNS)
    ends = [place * len(symmetries) // count for place in range(count + 1)]
    tables = [_table(expected, symmetries, range(*shown)) for shown in pairwise(ends)]
    letters = [Text(f"{LETTERS[one]} {one}: {meaning}", style=STYLES.get(one, "")) for one, meaning in MEANINGS.items()]
    numbers = [Text(f"{number:>2} {plain(name)}") for number, name in enumerate(symmetries, 1)]
    return Group(*tables, *letters, Text(), *numbers)


def _table(expected: Mapping[str, Mapping[str, Expected]], symmetries: Sequence[str], shown: Sequence[int]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("method", overflow="fold")
    for index in shown:
        table.add_column(str(index + 1), justify="right", no_wrap=True)
    for method, by_symmetry in expected.items():
        found = [by_symmetry.get(symmetries[index], Expected.OPEN) for index in shown]
        table.add_row(Text(plain(method)), *(Text(LETTERS[one], style=STYLES.get(one, "")) for one in found))
    return table


def predictions(
    expected: Mapping[str, Mapping[str, Expected]], symmetries: Sequence[str]
) -> Mapping[str, Mapping[str, str]]:
    """The same by name, each prediction as its word."""
    return {
        method: {symmetry: str(by_symmetry.get(symmetry, Expected.OPEN)) for symmetry in symmetries}
        for method, by_symmetry in expected.items()
    }
