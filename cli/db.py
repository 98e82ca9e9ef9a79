"""``db``: the database's revision."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.invocation import invocation
from cli.options import AsJson

app = typer.Typer(no_args_is_help=True, help="The database's tables: upgrade, downgrade, current, check.")

Revision = Annotated[str, typer.Argument(metavar="REVISION", help="A revision's name, or `base` for no tables at all.")]


@app.command()
def upgrade(context: typer.Context, revision: Revision = "head") -> None:
    """Bring the tables up to this version's revision, making the database if there is none."""
    from auditor.store import revisions
    from auditor.store.session import prepare_folder

    door = invocation(context)
    file = _file(door.settings.database_url)
    if file is not None:
        prepare_folder(file.absolute().parent, make=door.settings.database_in_home)
    revisions.upgrade(door.settings.database_url, revision)
    door.output.text(f"the database is at revision {revisions.current(door.settings.database_url) or 'none'}")


@app.command()
def downgrade(context: typer.Context, revision: Revision) -> None:
    """Take the tables back to an older revision. What later revisions added is lost."""
    from auditor.store import revisions
    from auditor.store.session import require_database

    door = invocation(context)
    require_database(door.settings.database_url)
    revisions.downgrade(door.settings.database_url, revision)
    door.output.text(f"the database is at revision {revisions.current(door.settings.database_url) or 'none'}")


@app.command()
def current(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the database, its revision and the one this version works with."""
    from auditor.store import revisions
    from auditor.store.engine import displayed, parse_url
    from auditor.store.session import require_database

    door = invocation(context)
    if not door.settings.own_database:
        require_database(door.settings.database_url)
    url, file = door.settings.database_url, _file(door.settings.database_url)
    found = None if file is not None and not file.exists() else revisions.current(url)
    shown = displayed(parse_url(url))
    facts = {"database": shown, "revision": found, "expected": revisions.head()}
    if as_json:
        door.output.document(facts)
    else:
        door.output.table(("what", "value"), list(facts.items()))


@app.command()
def check(context: typer.Context) -> None:
    """Check that the tables are what this version expects; exit 1 if not."""
    from auditor.store import revisions
    from auditor.store.session import open_database

    door = invocation(context)
    open_database(door.settings.database_url, create=False).dispose()
    differences = revisions.check(door.settings.database_url)
    for difference in differences:
        door.output.text(difference)
    if differences:
        door.output.error(f"{len(differences)} differences between the tables and this version; restore a backup")
        raise typer.Exit(1)
    door.output.text(f"the tables are those of revision {revisions.head()}")


def _file(url: str) -> Path | None:
    from auditor.store.engine import parse_url, sqlite_file

    return sqlite_file(parse_url(url))
