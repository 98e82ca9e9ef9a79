"""``calibrate --mechanisms``: which claims fall at equal divergence, those about the mechanism or the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from cli.destinations import require_file
from cli.progress import tracking

if TYPE_CHECKING:
    from auditor.calibration.mechanisms.results import Experiment, UnstableRate
    from cli.output import Output

COLUMNS = ("twin", "domain", "KL>", "forced>", "replaceable>", "false>", "certified>")

STEPS = 200
"""Optimiser steps of each trained twin: the whole run then takes minutes on one core."""


def run_mechanisms(
    output: Output,
    draws: int,
    seed: int,
    steps: int | None,
    *,
    out: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Run the experiment, print it and write the files that are asked for."""
    from auditor.calibration.mechanisms.plot import drawn
    from auditor.calibration.mechanisms.run import experiment
    from auditor.files.whole_file import write_whole
    from auditor.plans.plan import PLANS
    from auditor.verdicts.verdict import Settings

    for path in (out, plot):
        if path is not None:
            require_file(path)
    settings = Settings(draws=draws, alpha=PLANS["quick"].alpha, seed=seed)
    with tracking(output) as track:
        found = experiment(
            settings, steps=steps or STEPS, progress=lambda share, words: track.move("mechanisms", share, words)
        )
        track.end("mechanisms", f"{len(found.points)} claims under twins in {found.seconds:.0f} s of one core")
    if out is not None:
        write_whole(out, (json.dumps(found.to_json(), indent=1, ensure_ascii=False) + "\n").encode())
    if plot is not None:
        write_whole(plot, drawn(found))
    if as_json:
        output.document(found.to_json())
    else:
        print_result(output, found)


def print_result(output: Output, found: Experiment) -> None:
    """One row for each kind of twin, domain and divergence."""
    groups: dict[tuple[str, str, float | None], dict[str, UnstableRate]] = {}
    for rate in found.rates:
        groups.setdefault((rate.twin, rate.domain, rate.level), {})[rate.standing] = rate
    rows = [
        (
            twin,
            domain,
            _divergence(level, rates),
            *(_cell(rates.get(standing)) for standing in ("forced", "replaceable", "false")),
            f"{sum(rate.certified for rate in rates.values()) / len(rates):.0%}",
        )
        for (twin, domain, level), rates in groups.items()
    ]
    output.table(COLUMNS, rows)
    output.note(
        "claims overturned of all, share, 95 % interval over models; forced: true, and no other head could do it; "
        "replaceable: true of a head that has a spare one; KL: at most, in nats per output, or ~ as it comes"
    )


def _divergence(level: float | None, rates: dict[str, UnstableRate]) -> str:
    if level is not None:
        return f"{level:.0e}"
    known = [rate.kl_mean_nats for rate in rates.values() if rate.kl_mean_nats is not None]
    return f"~{max(known):.1e}" if known else "–"


def _cell(rate: UnstableRate | None) -> str:
    if rate is None:
        return "–"
    low, high = rate.interval
    return f"{rate.unstable}/{rate.claims}  {rate.share:.0%}  [{low:.0%}, {high:.0%}]"
