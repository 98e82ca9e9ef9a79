"""The plot of the experiment: share of overturned claims against divergence, one panel for each standing and domain."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from auditor.calibration.mechanisms.planted import STANDINGS
from auditor.calibration.mechanisms.results import Experiment

STYLES: Mapping[str, tuple[str, str]] = {
    "adversarial": ("#c0392b", "o"),
    "random walk": ("#2471a3", "s"),
    "noise": ("#7f8c8d", "^"),
    "fresh seed": ("#8e44ad", "D"),
    "int8": ("#229954", "v"),
    "random weights": ("#000000", "X"),
}
"""Colour and mark of each kind of twin."""

TITLES: Mapping[str, str] = {
    "forced": "true, and nothing could replace it",
    "replaceable": "true, but a spare head could do it",
    "false": "false: about a decoration",
}


def drawn(found: Experiment) -> bytes:
    """An SVG, the same bytes for the same results and the same version of Matplotlib."""
    domains = [*dict.fromkeys(point.domain for point in found.points)]
    with mpl.rc_context({"svg.hashsalt": "mechanisms", "font.family": "DejaVu Sans", "font.size": 9.0}):
        figure = Figure(figsize=(9.6, 2.9 * len(domains)), layout="constrained")
        panels = figure.subplots(len(domains), len(STANDINGS), sharex=True, sharey=True, squeeze=False)
        for row, domain in zip(panels, domains, strict=True):
            for axes, standing in zip(row, STANDINGS, strict=True):
                _panel(axes, found, standing, domain)
        for axes, standing in zip(panels[0], STANDINGS, strict=True):
            axes.set_title(TITLES[standing], fontsize=10)
        for axes, domain in zip(panels[:, 0], domains, strict=True):
            axes.set_ylabel(f"{domain}\nclaims overturned")
        for axes in panels[-1]:
            axes.set_xlabel("mean KL, nats per output")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        written = io.BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def _span(found: Experiment) -> tuple[float, float]:
    """Half of the smallest and twice the largest divergence that is drawn, nats."""
    known = [at for rate in found.rates if (at := rate.level or rate.kl_mean_nats)]
    return 0.5 * min(known, default=1.0), 2.0 * max(known, default=1.0)


def _panel(axes: Axes, found: Experiment, standing: str, domain: str) -> None:
    axes.set_xscale("log")
    axes.set_xlim(*_span(found))
    for twin, (colour, mark) in STYLES.items():
        rates = [r for r in found.rates if (r.twin, r.standing, r.domain) == (twin, standing, domain)]
        if not rates:
            continue
        x = [math.nan if (at := rate.level or rate.kl_mean_nats) is None else at for rate in rates]
        y = [rate.share for rate in rates]
        errors = [
            [max(0.0, rate.share - rate.interval[0]) for rate in rates],
            [max(0.0, rate.interval[1] - rate.share) for rate in rates],
        ]
        axes.errorbar(x, y, yerr=errors, color=colour, label=twin, marker=mark, capsize=2, markersize=4)
    axes.set_ylim(-0.05, 1.05)
    axes.grid(alpha=0.3)
