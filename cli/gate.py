"""``gate``: claims as code, for continuous integration."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.checkpoints import bundled_name, read_checkpoint
from cli.destinations import require_file
from cli.following import follow, unfinished
from cli.invocation import Invocation, invocation
from cli.options import AsJson, Config, FormatName, PlanName, Seed
from cli.queueing import queue, require_broker

if TYPE_CHECKING:
    from auditor.gate.claims_file import ClaimsFile, Entry
    from auditor.gate.judging import Checked
    from auditor.plans.plan import Plan
    from auditor.report.difference import FindingPair
    from auditor.stages.conclude import Results

UNSTABLE, INCONCLUSIVE = 3, 4
"""Exit codes: a primary claim is unstable or false, or one was lost since the baseline; else: one is undecided."""


@dataclass(frozen=True)
class _Gated:
    """What the claims are judged on."""

    audit_id: str
    plan: Plan
    seed: int
    results: Results
    entries: tuple[Entry, ...]


def gate(
    context: typer.Context,
    claims: Annotated[
        Path | None, typer.Argument(metavar="CLAIMS.toml", help="The claims.", show_default=False)
    ] = None,
    target: Annotated[
        str | None,
        typer.Argument(metavar="AUDIT|CHECKPOINT", help="A finished audit, or a model to audit.", show_default=False),
    ] = None,
    *,
    baseline: Annotated[
        str | None, typer.Option(metavar="AUDIT", help="Also fail on what was stable there and is unstable now.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML here.", show_default=False)] = None,
    github: Annotated[bool, typer.Option("--github", help="Print annotations for GitHub Actions.")] = False,
    config: Config = None,
    format_name: FormatName = "auto",
    plan: PlanName = "quick",
    seed: Seed = 0,
    example: Annotated[bool, typer.Option("--example", help="Print a claims file to start from.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check claims against an audit: exit 0 when all hold, 3 when one is unstable, 4 when one is undecided.

    A checkpoint is audited first, with just the methods and equivalences that the claims name.
    """
    door = invocation(context)
    if example:
        from auditor.gate.claims_file import EXAMPLE

        door.output.text(EXAMPLE.rstrip())
        return
    if claims is None or target is None:
        raise typer.BadParameter("give CLAIMS.toml and an audit or a checkpoint; --example prints a file to start from")
    from auditor.gate.claims_file import read_claims
    from auditor.gate.judging import check

    started = time.monotonic()
    told = read_claims(claims)
    if junit is not None:
        require_file(junit)
    if baseline is not None:
        require_audit(door, baseline)
    is_checkpoint = bundled_name(target) is not None or Path(target).exists()
    gated = audited(door, told, target, config, format_name, plan, seed) if is_checkpoint else kept(door, told, target)
    checked = check(gated.entries, gated.results, gated.plan, gated.seed, gated.audit_id)
    lost = () if baseline is None else lost_since(door, baseline, gated.audit_id)
    if junit is not None:
        from auditor.gate.junit import junit_document
        from auditor.whole_file import write_whole

        write_whole(
            junit, junit_document(claims.name, checked, at=datetime.now(UTC), seconds=time.monotonic() - started)
        )
    tell(door, told, gated, checked, lost, github=github, as_json=as_json)
    raise typer.Exit(exit_code(checked, lost))


def exit_code(checked: Sequence[Checked], lost: Sequence[FindingPair]) -> int:
    """0, 3 or 4."""
    outcomes = {str(one.outcome) for one in checked if one.decides}
    if lost or outcomes & {"unstable", "false"}:
        return UNSTABLE
    return INCONCLUSIVE if "inconclusive" in outcomes else 0


def audited(
    door: Invocation, told: ClaimsFile, target: str, config: Path | None, format_name: str, plan: str, seed: int
) -> _Gated:
    """Audit a checkpoint for the claims about it.

    Raises:
        StoreError: the audit did not finish.
    """
    from auditor.errors import StoreError
    from auditor.gate.judging import plan_for
    from auditor.plans.plan import read_plan

    settings, loaded = door.settings, read_checkpoint(target, config=config, format_name=format_name)
    entries = entries_about(told, loaded.name, target)
    chosen = plan_for(entries, read_plan(plan))
    require_broker(settings)
    with door.database(create=True) as database:
        made = queue(database, settings, loaded, chosen, seed=seed, reuse=True)
        problems = unfinished(follow(database, settings, [made.audit.id], door.output))
        if problems:
            raise StoreError(problems[0])
    return _loaded(door, made.audit.id, entries)


def kept(door: Invocation, told: ClaimsFile, target: str) -> _Gated:
    """A finished audit of the store.

    Raises:
        StoreError: it is not finished.
    """
    audit_id = require_audit(door, target)
    from auditor.store.audits import get_audit

    with door.reading() as session:
        audit = get_audit(session, audit_id)
    return _loaded(door, audit_id, entries_about(told, audit.model_name, audit.model_id, audit.id))


def require_audit(door: Invocation, text: str) -> str:
    """The id of a finished audit.

    Raises:
        StoreError: there is none, or it is not finished.
    """
    from auditor.errors import StoreError
    from auditor.store.audits import get_audit, resolve_audit

    with door.reading() as session:
        audit = get_audit(session, resolve_audit(session, text))
    if audit.state != "done":
        raise StoreError(
            f"audit {audit.id} is {audit.state}", expected="a finished audit", action=f"dyck-audit watch {audit.id}"
        )
    return audit.id


def entries_about(told: ClaimsFile, *names: str) -> tuple[Entry, ...]:
    """The claims about a model.

    Raises:
        ClaimsError: there is none: a gate that checks nothing must not pass.
    """
    from auditor.errors import ClaimsError

    entries = told.about(*names)
    if not entries:
        raise ClaimsError(f"{told.path}: no claim is about {names[0]}", expected="a claim about the gated model")
    return entries


def _loaded(door: Invocation, audit_id: str, entries: tuple[Entry, ...]) -> _Gated:
    from auditor.plans.plan import Plan
    from auditor.store.audits import get_audit
    from workers.conclusion import load_results

    with door.reading() as session:
        audit = get_audit(session, audit_id)
        results = load_results(session, audit_id)
    return _Gated(audit_id, Plan.from_json(audit.plan), audit.seed, results, entries)


def lost_since(door: Invocation, baseline: str, audit_id: str) -> tuple[FindingPair, ...]:
    """Findings that were stable in the baseline and are unstable now."""
    from auditor.report.difference import compare
    from auditor.store.audits import resolve_audit
    from auditor.store.reports import load_report

    with door.reading() as session:
        difference = compare(load_report(session, resolve_audit(session, baseline)), load_report(session, audit_id))
    return tuple(p for p in difference.pairs if (p.first.verdict, p.second.verdict) == ("stable", "unstable"))


def tell(
    door: Invocation,
    told: ClaimsFile,
    gated: _Gated,
    checked: Sequence[Checked],
    lost: Sequence[FindingPair],
    *,
    github: bool,
    as_json: bool,
) -> None:
    """The table, or one JSON document; annotations where they are wanted."""
    output = door.output
    if as_json:
        output.document(
            {
                "audit": gated.audit_id,
                "claims": [one.to_json() for one in checked],
                "lost_since_baseline": [pair.to_json() for pair in lost],
                "exit_code": exit_code(checked, lost),
            }
        )
        return
    if github:
        from auditor.gate.junit import github_annotations

        for line in github_annotations(told.path, checked):
            output.text(line)
    rows = [
        (str(one.outcome).upper(), one.entry.name, str(one.entry.role), ", ".join(one.entry.survives), one.reason)
        for one in checked
    ]
    rows += [
        ("LOST", pair.second.claim.text, "baseline", pair.second.equivalence, "stable in the baseline, unstable now")
        for pair in lost
    ]
    output.table(("outcome", "claim", "role", "must survive", "why"), rows)
    output.note(f"audit {gated.audit_id}: `dyck-audit show {gated.audit_id}` has the rest")
