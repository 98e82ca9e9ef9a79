"""``history``: the audits of this store, newest first."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.documents import document, moment
from cli.invocation import invocation
from cli.options import AsJson, Limit

if TYPE_CHECKING:
    from auditor.store.audits import StoredAudit

COLUMNS = ("audit", "model", "plan", "seed>", "state", "cells>", "created (UTC)", "result")
UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class State(StrEnum):
    """The state of an audit."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
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


def read_moment(text: str) -> datetime:
    """A date or time in ISO-8601 (UTC unless another zone is given), or an age such as 12h, 7d, 2w."""
    age = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if age:
        return datetime.now(UTC) - timedelta(**{UNITS[age[2]]: int(age[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time; write 2026-01-31, 2026-01-31T12:00, 12h, 7d or 2w") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


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


def history(
    context: typer.Context,
    *,
    model: Annotated[str | None, typer.Option(help="A model's name or the start of its id.")] = None,
    state: Annotated[State | None, typer.Option(help="Only audits in this state.")] = None,
    plan: Annotated[str | None, typer.Option(help="The plan's name.")] = None,
    verdict: Annotated[
        VerdictName | None, typer.Option(help="Only audits with at least one finding of this verdict.")
    ] = None,
    since: Since = None,
    until: Until = None,
    sort: Annotated[Order, typer.Option(help="Newest first within equals.")] = Order.CREATED,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List past and present audits, newest first."""
    from auditor.store.audits import list_audits

    given: dict[str, Any] = {
        "model": model,
        "state": state,
        "plan": plan,
        "verdict": verdict,
        "since": since,
        "until": until,
    }
    door = invocation(context)
    with door.reading() as session:
        found = list_audits(session, **given, sort=sort, limit=limit)
    if as_json:
        door.output.document({"audits": document(found)})
    elif found:
        door.output.table(COLUMNS, [_row(audit) for audit in found])
    elif any(given.values()):
        door.output.note("no audit matches; `dyck-audit history` lists them all")
    else:
        door.output.note("no audits yet; make one with `dyck-audit submit CHECKPOINT --wait`, or see `dyck-audit demo`")
    if len(found) == limit:
        door.output.note(f"the first {limit} are shown; --limit N for more")


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
    )


def result(audit: StoredAudit) -> str | None:
    """The verdict of an audit as one word, or why there is none."""
    if audit.headline:
        return audit.headline.split(":", 1)[0].lower()
    return audit.error
