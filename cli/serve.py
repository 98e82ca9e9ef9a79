"""``serve``: the pages and the API of this store."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.invocation import invocation


def serve(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; the default is reached from this machine only.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: a free one.")] = 8000,
) -> None:
    """Show audits, findings and models in the browser, and answer programs, until Ctrl-C."""
    from cli.dashboard.application import create_app
    from cli.dashboard.listening import answer, listening, until_signal, url_of
    from cli.dashboard.services import Services

    door = invocation(context)
    with until_signal(), door.database() as database, listening(host, port) as bound:
        app = create_app(Services(door.settings, database))
        answer(app, bound, on_ready=lambda: door.output.note(f"serving at {url_of(bound)}; Ctrl-C ends it"))
