"""``calibrate``: the audit's own error rates on planted truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.invocation import invocation
from cli.mechanisms import run_mechanisms
from cli.options import AsJson, Seed
from cli.progress import tracking

if TYPE_CHECKING:
    from auditor.records import MeasuredRates, Rate, Rates
    from cli.output import Output

COLUMNS = ("", "false UNSTABLE>", "false STABLE>", "inconclusive>")


def calibrate(
    context: typer.Context,
    *,
    trials: Annotated[int, typer.Option(min=1, max=10_000, help="Small audits of each planted model.")] = 60,
    draws: Annotated[int, typer.Option(min=1_999, max=1_000_000, help="Bootstrap draws, as in the plan.")] = 9_999,
    mechanisms: Annotated[
        bool,
        typer.Option(
            "--mechanisms", help="Compare true and false claims about models of known mechanism at equal divergence."
        ),
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="With --mechanisms: optimiser steps of each trained twin.", show_default="200"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="With --mechanisms: also write the JSON document.", show_default=False)
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="With --mechanisms: also draw an SVG.", show_default=False)] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Audit planted truth and print how often verdicts are wrong; reports of this version then show the rates.

    Exit 1 when the rates miss their goals or a method is wrong too often: do not trust its verdicts then. With
    --mechanisms: how many true and false claims are overturned by twins of several kinds, at equal divergence.
    """
    if mechanisms:
        run_mechanisms(invocation(context).output, draws, seed, steps, out=out, plot=plot, as_json=as_json)
        return
    for name, given in (("--steps", steps), ("--out", out), ("--plot", plot)):
        if given is not None:
            raise typer.BadParameter("only with --mechanisms", param_hint=name)
    from auditor.calibration.run import calibrate as run
    from auditor.plans.plan import PLANS
    from auditor.provenance import calibrated_for
    from auditor.store.calibrations import save_calibration
    from auditor.verdicts.verdict import Settings

    door, plan = invocation(context), PLANS["quick"]
    settings = Settings(draws=draws, alpha=plan.alpha, seed=seed)
    with tracking(door.output) as track:
        found = run(settings, trials=trials, progress=lambda share, words: track.move("calibration", share, words))
        track.end("calibration", f"{len(found.cases)} cases in {found.seconds:.0f} s")
    measured = found.measured
    holds_for = calibrated_for(draws=draws, alpha=settings.alpha, multiplicity=settings.multiplicity)
    with door.database(create=True) as database, database.transaction() as session:
        calibration_id = save_calibration(session, holds_for, measured)
    if as_json:
        door.output.document({"id": calibration_id, **measured.to_json()})
    else:
        print_result(door.output, measured)
    for failure in found.failures:
        door.output.error(failure)
    raise typer.Exit(1 if found.failures else 0)


def print_result(output: Output, measured: MeasuredRates) -> None:
    """The rates: all, by source, method, kind of claim and effect size, and the power by sequences."""
    rows = [_row("all that sampling decides", measured.rates)]
    for name, groups in measured.by.items():
        rows.append((f"by {name.replace('_', ' ')}", "", "", ""))
        rows += [_row(f"  {key}", rates) for key, rates in groups.items()]
    output.table(COLUMNS, rows)
    power = [(size, _cell(rate)) for size, rate in measured.power.items()]
    output.table(("sequences>", "found unstable, of those that are>"), power)
    output.note("wrong of tried, share, 95 % interval (Clopper & Pearson); effect sizes are effect minus threshold")


def _row(name: str, rates: Rates) -> tuple[str, ...]:
    return name, _cell(rates.false_unstable), _cell(rates.false_stable), _cell(rates.inconclusive)


def _cell(rate: Rate) -> str:
    if rate.share is None:
        return "–"
    low, high = rate.interval
    return f"{rate.hits}/{rate.trials}  {rate.share:.1%}  [{low:.1%}, {high:.1%}]"
