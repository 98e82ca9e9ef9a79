"""``serve``: the pages and the API of this store."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.invocation import invocation

if TYPE_CHECKING:
    from auditor.store.session import Database


def serve(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; the default is reached from this machine only.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: a free one.")] = 8000,
    require_token: Annotated[
        bool, typer.Option("--require-token", help="Ask for a token on this machine too; other addresses always do.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name of this server, such as that of a proxy.", show_default=False),
    ] = None,
    trust_proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="A proxy that says for whom it asks.", show_default=False),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Speak TLS with the certificate in this PEM file.", show_default=False)
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Its key, where that is another file.", show_default=False)] = None,
    workers: Annotated[
        bool,
        typer.Option("--workers/--no-workers", help="Without a broker: compute here, or leave it to `worker`."),
    ] = True,
) -> None:
    """Show audits, findings and models in the browser, and answer programs, until Ctrl-C."""
    from cli.dashboard.application import create_app
    from cli.dashboard.computing import Computing
    from cli.dashboard.listening import answer, listening, tls_context, until_signal, url_of
    from cli.dashboard.logs import logged
    from cli.dashboard.model_process import ChildProcess
    from cli.dashboard.origins import names_of
    from cli.dashboard.services import Services
    from cli.dashboard.uploads import upload_folder

    if key is not None and certificate is None:
        raise typer.BadParameter("--key needs --certificate")
    door = invocation(context)
    with ExitStack() as stack:
        stack.enter_context(until_signal())
        database = stack.enter_context(door.database(create=True))
        tls = None if certificate is None else tls_context(certificate, key)
        bound = stack.enter_context(listening(host, port))
        names = names_of(bound.getsockname()[0], others=tuple(allow_host or ()))
        requires_token = require_token or not names.loopback
        if requires_token:
            _check_tokens(database)
        if not names.loopback and tls is None:
            door.output.note("tokens and results are sent unencrypted; --certificate or a proxy with TLS keeps them")
        uploads = stack.enter_context(upload_folder(door.settings.home))
        models = stack.enter_context(closing(ChildProcess()))
        models.start()
        computing = stack.enter_context(Computing(door.settings, wanted=workers))
        services = Services(door.settings, database, models, uploads, computing, names, requires_token)
        stack.enter_context(logged(replace(door.output, secrets=services.secrets)))
        answer(
            create_app(services),
            bound,
            tls=tls,
            proxies=trust_proxy or (),
            access_log=door.output.verbose,
            on_ready=lambda: door.output.note(f"serving at {url_of(bound, has_tls=tls is not None)}; Ctrl-C ends it"),
        )


def _check_tokens(database: Database) -> None:
    """Refuse to start a server that no client could use.

    Raises:
        StoreError: it needs tokens and there is none.
    """
    from auditor.errors import StoreError
    from auditor.store.tokens import count_live_tokens

    with database.transaction(read_only=True) as session:
        if not count_live_tokens(session):
            raise StoreError(
                "no access token, and this address or --require-token needs one",
                expected="at least one token",
                action="type `dyck-audit tokens create --scope admin` first",
            )
