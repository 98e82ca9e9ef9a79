"""How far each score goes: the original's score of every component beside its scores on all variants.

The smallest and largest value over the certified variants is the Rashomon interval of the score. Entries of variants
are in the component order of the original.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from auditor.records import ORIGINAL, AuditReport, Kind, ScoreTable, Variant, VariantState
from auditor.report.wording import interval, number, plain

COMPONENT_LIMIT = 24
VARIANT_LIMIT = 24
SAID_LIMIT = 6
PLOT_WIDTH = 100.0
"""Length of the value axis, in units of the drawing."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The score on one variant; ``x`` in [0, PLOT_WIDTH]."""

    x: float
    kind: Kind
    title: str


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One component: the original's score, its interval, and every variant."""

    label: str
    x: float | None
    interval: tuple[float, float] | None
    title: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class ScorePanel:
    """One method, all its components on one axis. ``ticks`` are (x, text)."""

    method: str
    unit: str
    rows: tuple[ScoreRow, ...]
    ticks: tuple[tuple[float, str], ...]
    left_out: int
    said: str  # the ranges in words, for readers who do not see the drawing


def score_panels(report: AuditReport) -> tuple[ScorePanel, ...]:
    """One panel for each method with a number per component on the original."""
    variants = {variant.key: variant for variant in report.variants if variant.state is VariantState.CERTIFIED}
    panels = []
    for entry in report.interpretations:
        if entry.variant != ORIGINAL or not any(value is not None for value in entry.values):
            continue
        others = [
            (variants[other.variant], other.values)
            for other in report.interpretations
            if other.method == entry.method and other.variant in variants
        ]
        panels.append(_panel(entry, others[:VARIANT_LIMIT], _said(entry, [values for _, values in others])))
    return tuple(panels)


def _said(entry: ScoreTable, others: Sequence[Sequence[float | None]]) -> str:
    """Each component's score on the original and its smallest and largest score over all variants."""
    ranges = []
    for index, component in enumerate(entry.components[:SAID_LIMIT]):
        values = [value for values in others if index < len(values) and (value := values[index]) is not None]
        spread = f", {interval((min(values), max(values)))} on variants" if values else ""
        ranges.append(f"{plain(component.label, 40)} {number(entry.values[index])}{spread}")
    return "; ".join(ranges) + "."


def _panel(entry: ScoreTable, others: Sequence[tuple[Variant, Sequence[float | None]]], said: str) -> ScorePanel:
    shown = range(min(COMPONENT_LIMIT, len(entry.components)))
    drawn = [entry.values[index] for index in shown]
    drawn += [bound for index in shown for bound in entry.intervals[index] or ()]
    drawn += [values[index] for _, values in others for index in shown if index < len(values)]
    axis = _Axis.over([float(value) for value in drawn if value is not None])
    rows = []
    for index in shown:
        label = plain(entry.components[index].label, 24)
        value, bounds = entry.values[index], entry.intervals[index]
        marks = tuple(
            Mark(axis.x(values[index]), variant.kind, f"{label} on {plain(variant.key)}: {number(values[index])}")
            for variant, values in others
            if index < len(values) and values[index] is not None
        )
        rows.append(
            ScoreRow(
                label=label,
                x=None if value is None else axis.x(value),
                interval=None if bounds is None else (axis.x(bounds[0]), axis.x(bounds[1])),
                title=f"{label}: {number(value)}"
                if value is not None
                else f"undefined: {entry.undefined.get(str(index), 'no score')}",
                marks=marks,
            )
        )
    left_out = len(entry.components) - len(rows)
    return ScorePanel(entry.method, entry.unit, tuple(rows), axis.ticks(), left_out, said)


@dataclass(frozen=True, slots=True)
class _Axis:
    """A linear axis from ``low`` to ``high`` with round steps."""

    low: float
    high: float
    step: float

    @classmethod
    def over(cls, values: Sequence[float]) -> _Axis:
        """An axis that holds all values and ends on round numbers; zero is kept when it is near."""
        low, high = min(values), max(values)
        width = high - low or abs(high) or 1.0
        low = 0.0 if 0 < low < 3 * width else low
        high = 0.0 if -3 * width < high < 0 else high
        width = high - low or width
        magnitude = 10.0 ** math.floor(math.log10(width / 3))
        step = next(factor * magnitude for factor in (1, 2, 5, 10) if width / (factor * magnitude) <= 5)
        first, last = math.floor(low / step), math.ceil(high / step)
        return cls(first * step, (last if last > first else first + 1) * step, step)

    def x(self, value: float | None) -> float:
        """Position of a value."""
        share = (float(value or 0.0) - self.low) / (self.high - self.low)
        return round(PLOT_WIDTH * min(1.0, max(0.0, share)), 2)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Positions and texts of the steps."""
        count = round((self.high - self.low) / self.step)
        values = [self.low + index * self.step for index in range(count + 1)]
        return tuple((self.x(value), number(0.0 if abs(value) < self.step / 2 else value)) for value in values)
