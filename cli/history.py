"""``history``: the audits of this store, newest first."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.documents import document, moment
from cli.filtering import note_more, read_filter
from cli.invocation import invocation
from cli.options import After, AsJson, FunctionName, Limit, ServerUrl, TokenFile

if TYPE_CHECKING:
    from auditor.store.audits import StoredAudit

app = typer.Typer(name="history", help="List past and present audits, newest first; `prune` removes old ones.")

COLUMNS = ("audit", "model", "plan", "seed>", "state", "cells>", "created (UTC)", "result", "function")


class State(StrEnum):
    """The state of an audit."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"


class VerdictName(StrEnum):
    """The verdict of at least one finding."""

    STABLE = "stable"
    UNSTABLE = "unstable"
    INCONCLUSIVE = "inconclusive"


class Order(StrEnum):
    """What the list is sorted by."""

    CREATED = "created"
    FINISHED = "finished"
    MODEL = "model"
    PLAN = "plan"
    STATE = "state"


def read_moment(text: str, *, ahead: bool = False) -> datetime:
    """A time as the filters read it; one that cannot be read is a wrong use of the option."""
    from auditor.errors import FilterError
    from auditor.store import filters

    try:
        return filters.read_moment(text, ahead=ahead)
    except FilterError as error:
        raise typer.BadParameter(str(error)) from None


Since = Annotated[
    datetime | None,
    typer.Option(
        parser=read_moment,
        metavar="DATE|AGE",
        help="Created at this time or later; 7d: in the last 7 days.",
        show_default=False,
    ),
]
Until = Annotated[
    datetime | None, typer.Option(parser=read_moment, metavar="DATE|AGE", help="Created before.", show_default=False)
]


@app.callback(invoke_without_command=True)
def history(
    context: typer.Context,
    *,
    model: Annotated[str | None, typer.Option(help="A model's name or the start of its id.")] = None,
    state: Annotated[State | None, typer.Option(help="Only audits in this state.")] = None,
    function: FunctionName = None,
    plan: Annotated[str | None, typer.Option(help="The plan's name.")] = None,
    verdict: Annotated[
        VerdictName | None, typer.Option(help="Only audits with at least one finding of this verdict.")
    ] = None,
    since: Since = None,
    until: Until = None,
    sort: Annotated[Order, typer.Option(help="Newest first within equals.")] = Order.CREATED,
    limit: Limit = 50,
    after: After = None,
    server: ServerUrl = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List past and present audits, newest first."""
    if context.invoked_subcommand is not None:
        return
    from auditor.store.audits import list_audits
    from auditor.store.filters import AuditFilter

    given: dict[str, object] = {"model": model, "function": function, "state": state, "plan": plan, "verdict": verdict}
    given |= {"since": since, "until": until, "sort": sort, "limit": limit, "after": after}
    door = invocation(context)
    if server is None:
        with door.reading() as session:
            wanted = read_filter(session, AuditFilter, given)
            found = list_audits(session, wanted)
    else:
        from cli.remote.store import remote_store

        wanted = AuditFilter.read(given)
        with remote_store(server, token_file, door.output) as store:
            found = store.audits(wanted)
    if as_json:
        door.output.document({"audits": document(found.rows), "next": found.next})
    elif found.rows:
        door.output.table(COLUMNS, [_row(audit) for audit in found.rows])
    elif wanted.conditions:
        door.output.note("no audit matches; `dyck-audit history` lists them all")
    else:
        door.output.note("no audits yet; make one with `dyck-audit submit CHECKPOINT --wait`, or see `dyck-audit demo`")
    note_more(door.output, found, limit)


def _row(audit: StoredAudit) -> tuple[object, ...]:
    return (
        audit.id,
        audit.model_name,
        audit.plan_name,
        audit.seed,
        str(audit.state),
        f"{audit.cells_done}/{audit.cells_total}",
        moment(audit.created_at),
        result(audit),
        audit.function,
    )


def result(audit: StoredAudit) -> str | None:
    """The verdict of an audit as one word, or why there is none."""
    if audit.headline:
        return audit.headline.split(":", 1)[0].lower()
    return audit.error
