"""The pictures of a reproduction: one for each part that has one, drawn from its document, readable in print.

The same bytes for the same document and the same version of Matplotlib. Colour is never alone: groups have marks, and
bars carry their numbers.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from auditor.errors import ReportError
from auditor.records import Kind
from auditor.report.plots import METADATA, plain_numbers
from auditor.report.wording import number, plain
from auditor.reproduction.results import FallRate, Reproduction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS: Final = ("svg", "png")
MARKS: Final = "os^Dv<>Phd*X"
KINDS: Final = tuple(str(kind) for kind in Kind)
HATCHES: Final = ("", "//", "..")
SMALLEST_KL: Final = 1e-12
"""Drawn in place of smaller ones: a logarithmic axis has no 0."""


def accuracies(found: Reproduction) -> Figure:
    """Each model: accuracy in distribution and on 400–500 brackets, with the bands of the reference."""
    figure, (axis,) = _figure(1, 1, width=7.5, height=0.9 + 0.34 * len(_families(found)))
    bands = {row.quantity.split(":")[0]: row.band for row in found.rows if "400" in row.quantity}
    for down, family in enumerate(_families(found)):
        own = [line for line in found.models if line.family == family]
        band = bands.get(family)
        if band is not None:
            axis.plot(band, [down, down], color="0.8", linewidth=9, solid_capstyle="butt", zorder=0)
        for values, mark, label in (
            ([line.in_distribution for line in own], "o", "in distribution"),
            ([line.longer for line in own], "^", "400–500 brackets"),
        ):
            known = [value for value in values if value is not None]
            axis.plot(
                known,
                [down] * len(known),
                linestyle="none",
                marker=mark,
                color="black" if mark == "o" else "C1",
                markersize=5,
                label=label if down == 0 else None,
            )
    axis.set_yticks(range(len(_families(found))), _families(found), fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("closing accuracy; grey: band of the reference on 400–500 brackets")
    axis.legend(fontsize=7, loc="lower left")
    axis.grid(alpha=0.3, axis="x")
    return figure


def variation(found: Reproduction) -> Figure:
    """Attention variation between seeds by family and layer, beside random attention."""
    lines = found.variations
    figure, (axis,) = _figure(1, 1, width=7.5, height=1.2 + 0.3 * len(lines))
    for down, line in enumerate(lines):
        axis.plot([line.smallest, line.largest], [down, down], color="0.6", linewidth=2)
        axis.plot([line.mean], [down], marker="o", color="black", markersize=5)
        axis.annotate(number(line.mean), (line.mean, down), textcoords="offset points", xytext=(0, 5), fontsize=7)
    for name, style in (("causal", "--"), ("not causal", ":")):
        level = found.baselines.get(name)
        if level is not None:
            axis.axvline(level, color="C3", linestyle=style, linewidth=1, label=f"random rows, {name}: {number(level)}")
    axis.set_xscale("symlog", linthresh=0.1)
    axis.set_xlim(left=0.0)
    plain_numbers(axis.xaxis)
    axis.set_yticks(range(len(lines)), [f"{line.family}, layer {line.layer}" for line in lines], fontsize=8)
    axis.invert_yaxis()
    tokens = int(found.baselines.get("tokens", 0))
    axis.set_xlabel(f"squared Frobenius distance on {tokens} tokens; mean and range of pairs")
    axis.legend(fontsize=7)
    return figure


def heat_maps(found: Reproduction) -> Figure:
    """Attention of the two models that differ most."""
    one = found.heat_maps
    if one is None:
        raise ReportError("no pair of models to draw", expected="two seeds of a family")
    figure, axes = _figure(1, 2, width=9.0, height=4.8)
    places, labels = range(len(one.tokens)), [plain(token, 12) for token in one.tokens]
    for axis, weights, name in zip(axes, one.patterns, one.names, strict=True):
        axis.imshow(weights, cmap="Blues", vmin=0.0, vmax=1.0)
        axis.set_xticks(places, labels, rotation=90, fontsize=7)
        axis.set_yticks(places, labels, fontsize=7)
        axis.set_title(plain(name), fontsize=9)
    axes[0].set_ylabel("query")
    figure.suptitle(f"layer {one.layer}: variation {number(one.variation)}", fontsize=10)
    return figure


def balance(found: Reproduction) -> Figure:
    """Violation of the balance condition against accuracy on long strings, matched and as published."""
    figure, axes = _figure(1, 2, width=8.5, height=3.6)
    for axis, name, line in zip(axes, ("violation_matched", "violation_as_published"), found.correlations, strict=True):
        for place, family in enumerate(_families(found)):
            own = [one for one in found.models if one.family == family and getattr(one, name) is not None]
            if own:
                x, y = [getattr(one, name) for one in own], [one.longer or math.nan for one in own]
                axis.plot(x, y, linestyle="none", marker=MARKS[place % len(MARKS)], markersize=5, label=family)
        r = f"r = {number(line.r)}" if line.r is not None else line.reason
        between = "" if line.interval is None else f" [{number(line.interval[0])}, {number(line.interval[1])}]"
        axis.set_title(f"{name.replace('_', ' ')}: {r}{between}", fontsize=9)
        axis.set_xlabel("violation")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy on 400–500 brackets")
    if axes[1].lines:
        axes[1].legend(fontsize=6)
    return figure


def twins(found: Reproduction) -> Figure:
    """Every certified twin with random, uniform or opposed attention: distance against KL."""
    figure, (axis,) = _figure(1, 1, width=7.0, height=4.2)
    for place, name in enumerate(dict.fromkeys(line.equivalence for line in found.twins)):
        points = [
            (max(line.kl_nats, SMALLEST_KL), line.total_variation)
            for line in found.twins
            if line.equivalence == name and line.kl_nats is not None and line.total_variation is not None
        ]
        label = f"{plain(name.removeprefix('behavioural_')).replace('_', ' ')} ({len(points)} certified)"
        axis.plot(*_columns(points), linestyle="none", marker=MARKS[place], color=f"C{place}", label=label)
    axis.set_xscale("log")
    plain_numbers(axis.xaxis)
    axis.set_ylim(0.0, 1.0)
    axis.set_xlabel("mean KL to the original, nats per scored output")
    axis.set_ylabel("total variation of the last layer's attention")
    axis.legend(fontsize=7, loc="lower left")
    axis.grid(alpha=0.3)
    return figure


def methods(found: Reproduction) -> Figure:
    """Share of claims that fall, method by kind of equality, with 95 % intervals over models."""
    names = list(dict.fromkeys(rate.method for rate in found.fall_rates))
    figure, axes = _figure(1, 2, width=10.0, height=1.4 + 0.34 * len(names))
    for axis, what in zip(axes, ("fall", "survive"), strict=True):
        for place, kind in enumerate(KINDS):
            of = {rate.method: rate for rate in found.fall_rates if rate.kind == kind}
            _bars(axis, [of.get(name) for name in names], what, place)
        axis.set_xlim(0.0, 1.0)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_yticks(range(len(names)), [plain(name) for name in names] if what == "fall" else [], fontsize=7)
        axis.set_xlabel(f"share of claims that {what}")
        axis.grid(alpha=0.3, axis="x")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
    return figure


def pruning(found: Reproduction) -> Figure:
    """The error of a pruned random network against its width, one line for each model."""
    figure, axes = _figure(1, 2, width=8.5, height=3.4)
    for place, name in enumerate(dict.fromkeys(point.model for point in found.widths)):
        own = [point for point in found.widths if point.model == name]
        for axis, values in zip(
            axes, ([p.largest_logit_error for p in own], [max(p.kl_nats, SMALLEST_KL) for p in own]), strict=True
        ):
            axis.plot([p.width for p in own], values, marker=MARKS[place % len(MARKS)], markersize=4, label=plain(name))
    for axis, label in zip(axes, ("largest error of a logit", "mean KL, nats"), strict=True):
        axis.set_yscale("log")
        plain_numbers(axis.yaxis)
        axis.set_xlabel("width of queries and keys")
        axis.set_title(label, fontsize=9)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=6)
    return figure


PICTURES: Final[Mapping[str, tuple[Callable[[Reproduction], Figure], Callable[[Reproduction], bool], str]]] = {
    "accuracy": (accuracies, lambda one: any(line.longer is not None for line in one.models), "families"),
    "variation": (variation, lambda one: bool(one.variations), "diversity of solutions"),
    "attention": (heat_maps, lambda one: one.heat_maps is not None, "diversity of solutions"),
    "balance": (balance, lambda one: len(one.correlations) == 2, "balance and generalisation"),
    "twins": (twins, lambda one: bool(one.twins), "nearly random attention"),
    "methods": (methods, lambda one: bool(one.fall_rates), "myopic methods"),
    "pruning": (pruning, lambda one: bool(one.widths), "approximate pruning"),
}
"""How each picture is drawn, whether a document has anything for it, and the part it belongs to."""


def pictures(found: Reproduction) -> Iterator[str]:
    """The names of the pictures that a document has something for."""
    return (name for name, (_, has, _) in PICTURES.items() if has(found))


def drawn(found: Reproduction, what: str, form: str) -> bytes:
    """A picture as a file of one of ``FORMATS``."""
    import matplotlib as mpl

    salt = f"{found.study}-{found.scale}-{what}"
    fixed: Any = {"svg.hashsalt": salt, "svg.fonttype": "path", "font.family": "DejaVu Sans", "text.parse_math": False}
    with mpl.rc_context(fixed):
        file = io.BytesIO()
        PICTURES[what][0](found).savefig(file, format=form, metadata=dict(METADATA[form]), dpi=150)
    return file.getvalue()


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _families(found: Reproduction) -> list[str]:
    return list(dict.fromkeys(line.family for line in found.models))


def _bars(axis: Axes, rates: Sequence[FallRate | None], what: str, place: int) -> None:
    height = 0.8 / len(KINDS)
    for down, rate in enumerate(rates):
        if rate is None:
            continue
        value, (low, high) = (
            (rate.fall, rate.fall_interval) if what == "fall" else (rate.survive, rate.survive_interval)
        )
        axis.barh(
            down + (place - 1) * height,
            value,
            height=height,
            color=f"C{place}",
            hatch=HATCHES[place],
            xerr=[[max(0.0, value - low)], [max(0.0, high - value)]],
            error_kw={"linewidth": 0.8},
        )
    axis.barh([-5], [0], color=f"C{place}", hatch=HATCHES[place], label=KINDS[place])  # for the legend alone


def _figure(rows: int, columns: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)
