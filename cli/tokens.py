"""``tokens``: who may use the web server from another machine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.documents import document, moment
from cli.history import read_moment
from cli.invocation import invocation
from cli.options import AsJson

if TYPE_CHECKING:
    from auditor.store.tokens import StoredToken

COLUMNS = ("token", "scope", "name", "created (UTC)", "expires (UTC)", "last used (UTC)", "state")
SECRET_MODE = 0o600

app = typer.Typer(no_args_is_help=True, help="Access tokens of the web server: create, list, revoke.")


def read_expiry(text: str) -> datetime:
    """A time from now such as 12h, 90d, 8w, or a date or time in ISO-8601, in UTC unless another zone is given."""
    return read_moment(text, ahead=True)


@app.command()
def create(
    context: typer.Context,
    *,
    scope: Annotated[
        str,
        typer.Option(
            metavar="read|submit|admin",
            help="What it allows: to read; also to upload models and run audits; also to remove them.",
        ),
    ] = "read",
    name: Annotated[str | None, typer.Option(help="A word to know it by, such as the name of its user.")] = None,
    expires: Annotated[
        datetime | None,
        typer.Option(parser=read_expiry, metavar="SPAN|DATE", help="90d: in 90 days.", show_default="never"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A new file for it, which only you can read; else stdout.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and show it once: only its hash is stored."""
    from auditor.store.tokens import Scope, create_token

    if scope not in tuple(Scope):
        raise typer.BadParameter(f"--scope {scope!r}, expected read, submit or admin")
    door = invocation(context)
    with door.database(create=True) as database, database.transaction() as session:
        made, secret = create_token(session, Scope(scope), name=name, expires_at=expires)
        if out is not None:
            _write_new(out, secret)
    if as_json:
        door.output.document(document(made) | ({"token": secret} if out is None else {"file": str(out)}))
        return
    door.output.text(secret if out is None else str(out))
    door.output.note(
        f"{made.id}, scope {made.scope}: it is not shown again; `dyck-audit tokens revoke {made.id}` ends it"
    )


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the tokens, without their secrets."""
    from auditor.store.tokens import list_tokens

    door = invocation(context)
    with door.reading() as session:
        found = list_tokens(session)
    if as_json:
        door.output.document({"tokens": document(found)})
    elif found:
        door.output.table(COLUMNS, [_row(one) for one in found])
    else:
        door.output.note("no tokens; make one with `dyck-audit tokens create --scope submit`")


@app.command()
def revoke(
    context: typer.Context,
    tokens: Annotated[
        list[str], typer.Argument(metavar="TOKEN...", help="Ids from `tokens list`, or the start of one.")
    ],
) -> None:
    """End tokens; a running server refuses them from the next request on."""
    from auditor.store.tokens import revoke_token

    door = invocation(context)
    with door.database() as database, database.transaction() as session:
        revoked = [revoke_token(session, text) for text in tokens]
    for one in revoked:
        door.output.text(f"revoked {one.id}")


def _row(one: StoredToken) -> tuple[object, ...]:
    state = "revoked" if one.revoked_at else "live" if one.is_live(datetime.now(UTC)) else "expired"
    times = (moment(one.created_at), moment(one.expires_at), moment(one.used_at))
    return (one.id, str(one.scope), one.name, *times, state)


def _write_new(path: Path, secret: str) -> None:
    """A file that only its owner can read.

    Raises:
        FileExistsError: it is there already; what it holds may still be in use.
    """
    path.touch(mode=SECRET_MODE, exist_ok=False)
    path.write_text(secret + "\n", encoding="ascii")
