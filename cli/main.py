"""The command line ``dyck-audit``: joins the commands and reads the global options.

Nothing heavy is imported before a command needs it, so that help and the history answer at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from auditor.settings import BROKER_VARIABLE, DATABASE_VARIABLE, HOME_VARIABLE
from cli import (
    baseline,
    batch,
    calibrate,
    catalogue,
    db,
    demo,
    diff,
    doctor,
    findings,
    gate,
    history,
    inspection,
    models,
    plot,
    predict,
    prune,
    report,
    reproduce,
    serve,
    show,
    submit,
    tokens,
    train,
    twin,
    watch,
    witness,
    worker,
)
from cli.door import Door
from cli.invocation import Invocation
from cli.output import NAME, Output

app = typer.Typer(
    name=NAME,
    cls=Door,
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
    pretty_exceptions_enable=False,
    epilog="First time here? Type `dyck-audit demo`.",
)

START, RUN, READ, SETUP = "Start here", "Run audits", "Read the results", "Set up"

PANELS: Mapping[str, tuple[Callable[..., None] | typer.Typer, ...]] = {
    START: (demo.demo, submit.submit, show.show),
    "Models": (inspection.inspect, predict.predict, train.train, twin.twin),
    RUN: (batch.batch, watch.watch, watch.cancel, watch.retry, worker.worker, reproduce.reproduce),
    READ: (
        history.app,
        findings.findings,
        report.report,
        plot.plot,
        diff.diff,
        witness.witness,
        witness.verify,
        gate.gate,
        serve.serve,
    ),
    SETUP: (catalogue.methods, catalogue.equivalences, calibrate.calibrate, doctor.doctor),
}
"""The commands in the order of the help."""

for panel, commands in PANELS.items():
    for command in commands:
        if isinstance(command, typer.Typer):
            app.add_typer(command, rich_help_panel=panel)
        else:
            app.command(rich_help_panel=panel)(command)
history.app.command()(prune.prune)
app.add_typer(baseline.app, name="baseline", rich_help_panel=READ)
app.add_typer(models.app, name="models", rich_help_panel="Models")
app.add_typer(tokens.app, name="tokens", rich_help_panel=SETUP)
app.add_typer(db.app, name="db", rich_help_panel=SETUP)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        Output().text(f"{NAME} {version(NAME)}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    *,
    home: Annotated[
        Path | None,
        typer.Option(help="Folder for the data.", envvar=HOME_VARIABLE, show_default="the platform's data folder"),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="sqlite:/// or postgresql://", envvar=DATABASE_VARIABLE, show_default="SQLite in the home"),
    ] = None,
    broker_url: Annotated[
        str | None,
        typer.Option(help="redis://", envvar=BROKER_VARIABLE, show_default="none: local worker processes"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes on stderr.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="More notes, and the traceback of an error.")
    ] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Which interpretations of a Dyck Transformer survive a change of weights that keeps its function?"""
    context.obj = Invocation(home, database_url, broker_url, Output(quiet=quiet, verbose=verbose))


def main() -> None:
    """The console script."""
    app()
