"""``baseline``: the audits that later ones are compared with."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.documents import document, moment
from cli.invocation import invocation
from cli.options import AsJson, AuditId

app = typer.Typer(
    no_args_is_help=True,
    help="Pin the audit that `diff AUDIT` compares with: set, list, clear. One for all models of a name.",
)


@app.command("set")
def set_(context: typer.Context, audit: AuditId) -> None:
    """Pin an audit for its model's name, in place of the one before; `diff AUDIT` then compares with it."""
    from auditor.store.baselines import set_baseline

    door = invocation(context)
    with door.database() as database, database.transaction() as session:
        pinned = set_baseline(session, audit)
    door.output.line(f"{pinned.id} is the baseline of {pinned.model_name}")


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the pinned audits."""
    from auditor.store.baselines import list_baselines

    door = invocation(context)
    with door.reading() as session:
        found = list_baselines(session)
    if as_json:
        door.output.document({"baselines": document(found)})
    elif found:
        rows = [(one.model_name, one.audit_id, moment(one.pinned_at)) for one in found]
        door.output.table(("model", "audit", "pinned (UTC)"), rows)
    else:
        door.output.note("no baseline yet; pin one with `dyck-audit baseline set AUDIT`")


@app.command()
def clear(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="MODEL|AUDIT", help="A model's name, or an audit of it.")],
) -> None:
    """Unpin the audit of a model's name."""
    from auditor.store.baselines import clear_baseline

    door = invocation(context)
    with door.database() as database, database.transaction() as session:
        cleared = clear_baseline(session, which)
    door.output.line(f"{cleared.audit_id} is no longer the baseline of {cleared.model_name}")
