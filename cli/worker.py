"""``worker``: computes what is queued, or says how a worker is."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.following import processes
from cli.invocation import Invocation, invocation
from cli.queueing import require_broker
from workers.options import GRACE_SECONDS, SOFT_LIMIT_SECONDS, LogFormat, LogOptions, WorkerOptions


class Health(StrEnum):
    """What ``--health`` asks."""

    LIVE = "live"
    READY = "ready"


def worker(
    context: typer.Context,
    *,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes that compute.", show_default="one per core, at most 8")
    ] = None,
    hostname: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of this worker.", show_default="the machine's and the process id"),
    ] = None,
    log_file: Annotated[Path | None, typer.Option(help="Append the log to this file.", show_default="stderr")] = None,
    log_format: Annotated[
        LogFormat, typer.Option(help="json: one object per line, with the ids of audit, cell and attempt.")
    ] = LogFormat.TEXT,
    grace: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="Time to finish running cells on SIGTERM; then they are given back."
        ),
    ] = GRACE_SECONDS,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Answer Prometheus at /metrics.",
            show_default="not; PORT alone: this machine only",
        ),
    ] = None,
    time_limit: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="A cell that takes longer fails.")
    ] = SOFT_LIMIT_SECONDS,
    memory_limit: Annotated[
        int | None,
        typer.Option(
            min=512,
            metavar="MIB",
            help="A cell whose process would hold more fails (Linux).",
            show_default="what the machine has",
        ),
    ] = None,
    health: Annotated[
        Health | None,
        typer.Option(help="Start nothing: exit 0 if the worker of this home and --hostname lives, or takes work."),
    ] = None,
) -> None:
    """Compute queued audits until Ctrl-C: from the broker, or without one from the database."""
    door = invocation(context)
    if health is not None:
        _tell_health(door, health, hostname)
        return
    logs = LogOptions(log_file, log_format, door.output.verbose)
    if metrics is not None:
        from workers.metrics_server import read_address

        read_address(metrics)  # refused before anything is started
    options = WorkerOptions(concurrency or processes(), hostname, logs, grace, metrics, time_limit, memory_limit)
    require_broker(door.settings)
    with door.database():
        pass  # a broker or a database that cannot be used is refused before anything is printed
    _serve(door, options)


def _serve(door: Invocation, options: WorkerOptions) -> None:
    from auditor.urls import hide_password
    from workers.serving import serve, serve_locally

    settings = door.settings
    where = f"on {hide_password(settings.broker_url)}" if settings.broker_url else f"for the audits in {settings.home}"
    if options.logs.format is LogFormat.TEXT:  # else every line of stderr is JSON
        door.output.note(f"{options.concurrency} processes {where}; Ctrl-C finishes or gives back the running cells")
    if settings.broker_url is None:
        with suppress(KeyboardInterrupt):
            serve_locally(settings, options)
    elif status := serve(settings, options):
        raise typer.Exit(status)


def _tell_health(door: Invocation, asked: Health, hostname: str | None) -> None:
    from workers.health import require_live, require_ready, worker_state

    state = worker_state(door.settings.home, hostname)
    door.output.text(require_live(state) if asked is Health.LIVE else require_ready(state))
