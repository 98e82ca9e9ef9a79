"""``diff``: two audits, claim by claim."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.invocation import invocation
from cli.options import AsJson, AuditId

Second = Annotated[
    str | None,
    typer.Argument(metavar="[AUDIT]", help="The later audit; without it the first is compared with its baseline."),
]
Everything = Annotated[bool, typer.Option("--all", help="Also what does not differ.")]


def diff(
    context: typer.Context,
    first: AuditId,
    second: Second = None,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """Compare two audits: whether they are comparable, and which claims differ in verdict or effect, and behaviour.

    With one audit: the baseline of its model's name, pinned by `baseline set`, with it.
    """
    from auditor.report.difference import compare
    from auditor.store.audits import get_audit, resolve_audit
    from auditor.store.baselines import get_baseline
    from auditor.store.reports import load_report

    door = invocation(context)
    with door.reading() as session:
        if second is None:
            later = get_audit(session, first)
            pair = (get_baseline(session, later), later.id)
        else:
            pair = (resolve_audit(session, first), resolve_audit(session, second))
        difference = compare(*(load_report(session, audit_id) for audit_id in pair))
    if as_json:
        door.output.document(difference.to_json(all_pairs=everything))
    else:
        from auditor.report.difference_text import render_difference

        door.output.show(render_difference(difference, everything=everything))
