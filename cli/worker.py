"""``worker``: computes what is queued."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from cli.following import processes
from cli.invocation import invocation
from cli.queueing import require_broker


def worker(
    context: typer.Context,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes that compute.", show_default="one per core, at most 8")
    ] = None,
) -> None:
    """Compute queued audits until Ctrl-C: from the broker, or without one from the database."""
    from workers.serving import serve, serve_locally

    door = invocation(context)
    count = concurrency or processes()
    require_broker(door.settings)
    with door.database():
        pass  # a broker or a database that cannot be used is refused before anything is printed
    if door.settings.broker_url is None:
        door.output.note(f"{count} local processes compute what is queued in {door.settings.home}; Ctrl-C ends them")
        with suppress(KeyboardInterrupt):
            serve_locally(door.settings, concurrency=count)
        return
    from auditor.urls import hide_password

    shown = hide_password(door.settings.broker_url)
    door.output.note(f"{count} processes on {shown}; Ctrl-C ends after the running cells")
    status = serve(door.settings, concurrency=count, verbose=door.output.verbose)
    if status:
        raise typer.Exit(1)
