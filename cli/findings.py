"""``findings``: verdicts across all audits."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.history import VerdictName
from cli.invocation import invocation
from cli.options import AsJson, Limit

if TYPE_CHECKING:
    from auditor.records import Finding

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


class ClaimKind(StrEnum):
    """Kinds of claims."""

    VALUE = "value"
    RANK = "rank"
    SET = "set"
    PATTERN = "pattern"
    PREDICATE = "predicate"
    COMPARISON = "comparison"
    EXISTENCE = "existence"


class BasisName(StrEnum):
    """What findings rest on."""

    THEORY = "theory"
    EXACT = "exact"
    BEHAVIOURAL = "behavioural"
    INPUT = "input"


def findings(
    context: typer.Context,
    *,
    model: Annotated[str | None, typer.Option(help="A model's name or the start of its id.")] = None,
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
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List findings across all audits; export the twin behind one with `dyck-audit witness FINDING`."""
    from auditor.store.findings import list_findings

    given: dict[str, Any] = {
        "model": model,
        "audit": audit,
        "method": method,
        "equivalence": equivalence,
        "layer": layer,
    }
    given |= {"head": head, "verdict": verdict, "min_effect": min_effect, "claim": claim}
    given |= {"basis": basis, "invariant": invariant, "resolved": resolved}
    door = invocation(context)
    with door.reading() as session:
        found = list_findings(session, **given, limit=limit)
    if as_json:
        rows = [{"audit": audit_id, "model": name} | finding.to_json() for audit_id, name, finding in found]
        door.output.document({"findings": rows})
    elif found:
        door.output.table(COLUMNS, [_row(*entry) for entry in found])
    else:
        door.output.note("no finding matches; `dyck-audit history` shows which audits are done")
    if len(found) == limit:
        door.output.note(f"the first {limit} are shown; --limit N for more")


def _row(audit_id: str, model: str, finding: Finding) -> tuple[object, ...]:
    from auditor.report.wording import interval, number, standing

    ranged = finding.rashomon
    return (
        finding.id,
        audit_id,
        model,
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
