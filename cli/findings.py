"""``findings``: verdicts across all audits."""

from __future__ import annotations

from contextlib import ExitStack
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.filtering import note_more, pages_of, read_filter
from cli.history import Since, Until, VerdictName
from cli.invocation import Invocation, invocation
from cli.options import After, AsJson, FunctionName, Out, ServerUrl, TokenFile
from cli.tables import TableForm, require_table, write_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from auditor.store.filters import FindingFilter
    from auditor.store.findings import StoredFinding
    from auditor.store.paging import Page

COLUMNS = (
    "finding",
    "audit",
    "model",
    "verdict",
    "invariant, resolved",
    "rests on",
    "effect>",
    "95 % interval",
    "claim",
    "equivalence",
    "range",
    "over all",
    "witness",
)

SHOWN = 100
"""Rows of a list where no other number is asked for."""


class ClaimKind(StrEnum):
    """Kinds of claims."""

    VALUE = "value"
    RANK = "rank"
    SET = "set"
    PATTERN = "pattern"
    PREDICATE = "predicate"
    COMPARISON = "comparison"
    EXISTENCE = "existence"
    CONJUNCTION = "conjunction"
    AGREEMENT = "agreement"


class BasisName(StrEnum):
    """What findings rest on."""

    THEORY = "theory"
    EXACT = "exact"
    BEHAVIOURAL = "behavioural"
    INPUT = "input"


class FindingOrder(StrEnum):
    """What the list is sorted by."""

    CREATED = "created"
    EFFECT = "effect"


def findings(
    context: typer.Context,
    *,
    model: Annotated[str | None, typer.Option(help="A model's name or the start of its id.")] = None,
    function: FunctionName = None,
    audit: Annotated[str | None, typer.Option(help="An audit's id, the start of one, or `latest`.")] = None,
    method: Annotated[str | None, typer.Option(help="A name from `dyck-audit methods`.")] = None,
    equivalence: Annotated[str | None, typer.Option(help="A name from `dyck-audit equivalences`.")] = None,
    layer: Annotated[int | None, typer.Option(min=0, help="Layer, from 0.")] = None,
    head: Annotated[int | None, typer.Option(min=0, help="Head, from 0.")] = None,
    verdict: Annotated[VerdictName | None, typer.Option(help="Only this verdict.")] = None,
    min_effect: Annotated[float | None, typer.Option(help="An effect of at least this much.")] = None,
    claim: Annotated[ClaimKind | None, typer.Option(help="Only claims of this kind.")] = None,
    basis: Annotated[
        BasisName | None,
        typer.Option(help="What it rests on; theory: an exact change whose answer is known, so it checks the code."),
    ] = None,
    invariant: Annotated[
        bool | None, typer.Option("--invariant/--not-invariant", help="Kept by every variant; overturned by one.")
    ] = None,
    resolved: Annotated[
        bool | None, typer.Option("--resolved/--unresolved", help="Whether the original itself shows the claim.")
    ] = None,
    since: Since = None,
    until: Until = None,
    sort: Annotated[
        FindingOrder, typer.Option(help="created: newest audit first; effect: largest first.")
    ] = FindingOrder.CREATED,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Largest number of rows; without it 100, or all with --format.")
    ] = None,
    after: After = None,
    server: ServerUrl = None,
    token_file: TokenFile = None,
    form: Annotated[
        TableForm | None,
        typer.Option("--format", help="A table of all columns; `report --format csv --schema` has their types."),
    ] = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """List findings across all audits; export the twin behind one with `dyck-audit witness FINDING`."""
    from auditor.store.filters import FindingFilter
    from auditor.store.findings import list_findings

    given: dict[str, object] = {
        "model": model,
        "function": function,
        "audit": audit,
        "method": method,
        "equivalence": equivalence,
    }
    given |= {"layer": layer, "head": head, "verdict": verdict, "min_effect": min_effect, "claim": claim}
    given |= {"basis": basis, "invariant": invariant, "resolved": resolved, "since": since, "until": until}
    given |= {"sort": sort, "after": after}
    door = invocation(context)
    if form is not None:
        if as_json:
            raise typer.BadParameter("--json and --format: give one of them")
        _export(door, form, given, limit, out, server, token_file)
        return
    if out is not None:
        raise typer.BadParameter("--out goes with --format")
    given["limit"] = limit = limit or SHOWN
    if server is None:
        with door.reading() as session:
            found = list_findings(session, read_filter(session, FindingFilter, given))
    else:
        from cli.remote.store import remote_store

        with remote_store(server, token_file, door.output) as store:
            found = store.findings(FindingFilter.read(given))
    if as_json:
        rows = [{"audit": one.audit_id, "model": one.model_name} | one.finding.to_json() for one in found.rows]
        door.output.document({"findings": rows, "next": found.next})
    elif found.rows:
        door.output.table(COLUMNS, [_row(one) for one in found.rows])
    else:
        door.output.note("no finding matches; `dyck-audit history` shows which audits are done")
    note_more(door.output, found, limit)


def _export(
    door: Invocation,
    form: TableForm,
    given: dict[str, object],
    limit: int | None,
    out: Path | None,
    server: str | None,
    token_file: Path | None,
) -> None:
    """Write all findings that match, or ``limit`` of them, page by page."""
    from auditor.report.tables import COLUMNS as TABLE
    from auditor.report.tables import ORIGIN, finding_row
    from auditor.store.filters import FindingFilter
    from auditor.store.findings import list_findings

    require_table(form, out)
    with ExitStack() as stack:
        if server is None:
            session = stack.enter_context(door.reading())
            wanted = read_filter(session, FindingFilter, given)
            read: Callable[[FindingFilter], Page[StoredFinding]] = partial(list_findings, session)
        else:
            from cli.remote.store import remote_store

            wanted = FindingFilter.read(given)
            read = stack.enter_context(remote_store(server, token_file, door.output)).findings
        pages = (
            [(one.audit_id, one.model_name, *finding_row(one.finding)) for one in page.rows]
            for page in pages_of(read, wanted, limit)
        )
        write_table(door.output, form, (*ORIGIN, *TABLE), pages, out)


def _row(one: StoredFinding) -> tuple[object, ...]:
    from auditor.report.wording import interval, number, standing

    finding = one.finding
    ranged = finding.rashomon
    return (
        finding.id,
        one.audit_id,
        one.model_name,
        str(finding.verdict),
        standing(finding),
        str(finding.grounds),
        number(finding.effect),
        interval(finding.interval),
        finding.claim.text,
        finding.equivalence,
        interval(None if ranged is None else ranged.own),
        interval(None if ranged is None else ranged.overall),
        finding.worst_variant,
    )
