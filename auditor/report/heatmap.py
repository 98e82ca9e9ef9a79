"""Attention matrices as a few SVG paths, small enough for many on one page.

A matrix of T × T weights becomes at most ``LEVELS`` paths: one for each shade, with neighbouring squares of one row
merged. One square is one unit wide and high; the query runs down, the key to the right. Colours belong to the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from auditor.records import Illustration
from auditor.report.wording import number, plain

LEVELS = 20
TOKEN_LIMIT = 6


@dataclass(frozen=True, slots=True)
class Shade:
    """All squares of one level: opacity in (0, 1] and the path that draws them."""

    opacity: float
    path: str


@dataclass(frozen=True, slots=True)
class Heatmap:
    """One attention matrix; ``size`` squares on each side."""

    size: int
    shades: tuple[Shade, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Original beside twin, with the labels of both axes."""

    variant: str
    component: str
    tokens: tuple[str, ...]
    original: Heatmap
    twin: Heatmap
    total_variation: float
    openers: tuple[int | None, ...] = ()  # per query the key that is the open bracket
    said: str = ""  # what the drawing shows of them, in words

    @property
    def weight(self) -> int:
        """Characters the two maps take."""
        return sum(len(shade.path) for heatmap in (self.original, self.twin) for shade in heatmap.shades)


def heatmap(matrix: Sequence[Sequence[float]]) -> Heatmap:
    """Shade a matrix of weights in [0, 1]; a weight that rounds to level 0 is not drawn."""
    squares: dict[int, list[str]] = {}
    for query, row in enumerate(matrix):
        key = 0
        for level, run in groupby(_level(weight) for weight in row):
            width = len(list(run))
            if level:
                squares.setdefault(level, []).append(f"M{key} {query}h{width}v1h-{width}z")
            key += width
    shades = tuple(Shade(level / LEVELS, "".join(squares[level])) for level in sorted(squares))
    return Heatmap(size=len(matrix), shades=shades)


def picture(illustration: Illustration) -> Picture:
    """The drawn form of one illustration."""
    return Picture(
        variant=illustration.variant,
        component=illustration.component.label,
        tokens=tuple(plain(token, TOKEN_LIMIT) for token in illustration.tokens),
        original=heatmap(illustration.original),
        twin=heatmap(illustration.twin),
        total_variation=illustration.total_variation,
        openers=illustration.openers,
        said=_said(illustration),
    )


def _said(illustration: Illustration) -> str:
    """How much attention goes to the open bracket, on average over the queries that have one."""
    places = [(query, key) for query, key in enumerate(illustration.openers) if key is not None]
    if not places:
        return ""
    shares = [
        sum(matrix[query][key] for query, key in places) / len(places)
        for matrix in (illustration.original, illustration.twin)
    ]
    original, twin = (number(share) for share in shares)
    return f"Of a query's attention {original} is on the open bracket in the original, {twin} in the twin, on average."


def _level(weight: float) -> int:
    return round(min(1.0, max(0.0, weight)) * LEVELS) if math.isfinite(weight) else 0
