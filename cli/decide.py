"""``submit --decide``: more sequences for what is undecided, until it is decided or the budget is used up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from cli.following import follow, unfinished
from cli.queueing import queue

if TYPE_CHECKING:
    from auditor.checkpoints.intake.detection import Loaded
    from auditor.plans.plan import Plan
    from auditor.records import AuditReport, Finding
    from auditor.settings import Settings
    from auditor.store.session import Database
    from cli.output import Output
    from workers.local import LocalWorkers

DEFAULT_BUDGET = 8
"""Times the sequences of the plan, where no budget is given."""


@dataclass(frozen=True)
class Look:
    """One audit of several on the same claims: what it was asked and what it left open."""

    report: AuditReport
    asked: int
    open: int


@dataclass(frozen=True)
class Asked:
    """What is to be decided: a model, a plan whose claims are made at the first look, and the most sequences."""

    loaded: Loaded
    plan: Plan
    seed: int
    name: str | None
    budget: int | None


def decide(
    database: Database,
    settings: Settings,
    asked: Asked,
    output: Output,
    workers: LocalWorkers | None,
    *,
    as_json: bool,
) -> None:
    """Audit, then look again at what is undecided with twice the sequences; print the looks and what is left.

    Raises:
        typer.Exit: an audit has no report.
    """
    from auditor.plans.looks import later_plan
    from auditor.verdicts.sequential import MOST_LOOKS, is_open

    plan, most = replace(asked.plan, look=1), asked.budget or DEFAULT_BUDGET * asked.plan.sequences
    looks: list[Look] = []
    found: dict[tuple[tuple[str, ...], str], Finding] = {}
    while True:
        made = queue(database, settings, asked.loaded, plan, seed=asked.seed, name=asked.name)
        report = _report(database, settings, made.audit.id, output, workers)
        found |= {(one.claim.identity, one.equivalence): one for one in report.findings}
        open_ = [one for one in found.values() if is_open(one)]
        looks.append(Look(report, len(report.findings), len(open_)))
        if not open_ or 2 * plan.sequences > most or len(looks) == MOST_LOOKS:
            break
        plan = later_plan(plan, open_, audit=report.audit.id)
    if as_json:
        output.document({"audits": [look.report.to_json() for look in looks], "decided": _summary(looks, open_)})
    else:
        _show(looks, list(found.values()), open_, output, most=most)


def _report(
    database: Database, settings: Settings, audit_id: str, output: Output, workers: LocalWorkers | None
) -> AuditReport:
    from auditor.store.reports import load_report

    seen = follow(database, settings, [audit_id], output, workers)
    problems = unfinished(seen)
    for problem in problems:
        output.error(problem)
    if problems:
        raise typer.Exit(1)
    with database.transaction(read_only=True) as session:
        return load_report(session, audit_id)


def _summary(looks: Sequence[Look], open_: Sequence[Finding]) -> dict[str, object]:
    return {
        "looks": [
            {
                "audit": look.report.audit.id,
                "sequences": look.report.audit.sequences,
                "asked": look.asked,
                "open": look.open,
            }
            for look in looks
        ],
        "undecided": [
            {
                "claim": one.claim.text,
                "method": one.claim.method,
                "equivalence": one.equivalence,
                "reason": one.reason,
                "needed_sequences": one.needed_sequences,
            }
            for one in open_
        ],
    }


def _show(
    looks: Sequence[Look], found: Sequence[Finding], open_: Sequence[Finding], output: Output, *, most: int
) -> None:
    from auditor.report.summary import claim_counts
    from auditor.report.terminal import render_report
    from auditor.report.wording import number

    output.show(render_report(looks[0].report))
    rows = [
        (number, look.report.audit.id, f"{look.report.audit.sequences:,}", look.asked, look.open)
        for number, look in enumerate(looks, start=1)
    ]
    output.table(("look>", "audit", "sequences>", "verdicts asked>", "still open>"), rows)
    counts = claim_counts(found)
    output.text(
        f"after {len(looks)} looks of at most {most:,} sequences: {counts.overturned} of {counts.total} claims "
        f"overturned, {counts.undecided} undecided, {counts.surviving} survive"
    )
    if open_:
        left = [(one.claim.text, one.equivalence, one.reason, number(one.needed_sequences)) for one in open_]
        output.table(("still open", "equivalence", "why", "sequences that would decide>"), left)
