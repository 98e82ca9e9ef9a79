"""``gate``: claims as code, for continuous integration."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.checkpoints import bundled_name, read_checkpoint
from cli.destinations import require_file
from cli.following import follow, unfinished
from cli.invocation import Invocation, invocation
from cli.options import AsJson, Config, EntryName, FormatName, PlanName, Seed, Strings, StringsFormat
from cli.output import Output
from cli.progress import tracking
from cli.queueing import queue, require_broker
from cli.strings import planned

if TYPE_CHECKING:
    from auditor.gate.claims_file import ClaimsFile
    from auditor.gate.gated import GateResult
    from auditor.gate.judging import Checked
    from auditor.report.difference import FindingPair
    from workers.gating import Gated


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
        str | None,
        typer.Option(metavar="AUDIT", help="Also fail on findings that are stable in this audit and unstable now."),
    ] = None,
    attack: Annotated[
        bool, typer.Option("--attack", help="Also try to build a certified twin against each primary claim.")
    ] = False,
    budget: Annotated[
        int | None,
        typer.Option(min=1, help="Optimiser steps that --attack may take per claim.", show_default="the plan's"),
    ] = None,
    witnesses: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where --attack writes its witnesses.", show_default="in the home"),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML here.", show_default=False)] = None,
    github: Annotated[bool, typer.Option("--github", help="Print annotations for GitHub Actions.")] = False,
    config: Config = None,
    format_name: FormatName = "auto",
    entry: EntryName = None,
    strings: Strings = None,
    strings_format: StringsFormat = "auto",
    plan: PlanName = "quick",
    seed: Seed = 0,
    example: Annotated[bool, typer.Option("--example", help="Print a claims file to start from.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check claims against an audit: exit 0 when all hold, 3 when one is unstable, 4 when one is undecided.

    A checkpoint is audited first, with just the methods and equivalences that the claims name. With --attack every
    primary claim that stands is attacked: a certified twin that overturns it is written as a witness for `verify`, and
    is a finding of the audit from then on, for `findings` and `witness`. An equal attack is not made twice.
    """
    door = invocation(context)
    if example:
        from auditor.gate.claims_file import EXAMPLE

        door.output.text(EXAMPLE.rstrip())
        return
    if claims is None or target is None:
        raise typer.BadParameter("give CLAIMS.toml and an audit or a checkpoint; --example prints a file to start from")
    from auditor.gate.claims_file import read_claims
    from auditor.gate.gated import GateResult
    from auditor.gate.judging import check

    started = time.monotonic()
    stated = read_claims(claims)
    if junit is not None:
        require_file(junit)
    if baseline is not None:
        from workers.conclusion import finished_audit

        with door.reading() as session:
            finished_audit(session, baseline)
    if not attack and (budget is not None or witnesses is not None):
        raise typer.BadParameter("--budget and --witnesses are for --attack")
    is_checkpoint = bundled_name(target) is not None or Path(target).exists()
    if strings is not None and not is_checkpoint:
        raise typer.BadParameter("--strings is for a checkpoint; an audit already has its strings")
    if is_checkpoint:
        judged = audited(door, stated, target, config, format_name, entry, plan, seed, strings, strings_format)
    else:
        judged = kept(door, stated, target)
    checked = check(judged.entries, judged.results, judged.plan, judged.seed, judged.content)
    if attack:
        checked = attacked(door, judged, checked, budget, witnesses)
    lost = () if baseline is None else lost_since(door, baseline, judged.audit_id)
    if junit is not None:
        from auditor.files.whole_file import write_whole
        from auditor.gate.junit import junit_document

        write_whole(
            junit, junit_document(claims.name, checked, at=datetime.now(UTC), seconds=time.monotonic() - started)
        )
    found = GateResult(judged.audit_id, checked, lost)
    print_result(door.output, found, stated.path, github=github, as_json=as_json)
    raise typer.Exit(found.exit_code)


def audited(
    door: Invocation,
    stated: ClaimsFile,
    target: str,
    config: Path | None,
    format_name: str,
    entry: str | None,
    plan: str,
    seed: int,
    strings: Path | None = None,
    strings_format: str = "auto",
) -> Gated:
    """Audit a checkpoint for the claims about it.

    Raises:
        StoreError: the audit did not finish.
        ClaimsError: a claim about what the model does not have.
    """
    from auditor.errors import StoreError
    from auditor.gate.judging import plan_for
    from auditor.gate.possible import require_possible
    from auditor.plans.plan import read_plan
    from auditor.stages.sequences import interpretation_inputs
    from workers.gating import gated

    settings = door.settings
    loaded = read_checkpoint(target, door.output, config=config, format_name=format_name, entry=entry)
    entries = stated.require_about(loaded.name, target)
    chosen = planned(plan_for(entries, read_plan(plan)), loaded, strings, strings_format)
    inputs = interpretation_inputs(loaded.model.task, chosen, seed)
    require_possible(stated.path, entries, loaded.model.architecture, inputs)
    require_broker(settings)
    with door.database(create=True) as database:
        made = queue(database, settings, loaded, chosen, seed=seed, reuse=True)
        seen = follow(database, settings, [made.audit.id], door.output)
        for problem in unfinished(seen):
            if not seen[made.audit.id].has_report:
                raise StoreError(problem)
            door.output.note(problem)  # claims that need what is missing are inconclusive
    with door.reading() as session:
        return gated(session, made.audit.id, entries)


def kept(door: Invocation, stated: ClaimsFile, target: str) -> Gated:
    """A finished audit of the store.

    Raises:
        StoreError: it is not finished.
    """
    from workers.conclusion import finished_audit
    from workers.gating import gated

    with door.reading() as session:
        audit = finished_audit(session, target)
        return gated(session, audit.id, stated.require_about(audit.model_name, audit.model_id, audit.id))


def attacked(
    door: Invocation, judged: Gated, checked: tuple[Checked, ...], budget: int | None, folder: Path | None
) -> tuple[Checked, ...]:
    """The claims after an attack on each primary one that stands; witnesses are written and stored once found."""
    from auditor.gate.attack import attack_claims, exporter
    from workers.gating import StoredAttacks, attacked_model

    steps = judged.plan.twin_steps * judged.plan.twin_restarts if budget is None else budget
    where = door.settings.home / "witnesses" if folder is None else folder
    with door.database() as database, tracking(door.output) as track:
        report, model, plan = attacked_model(database, judged)
        return attack_claims(
            checked,
            model,
            plan,
            judged.seed,
            budget=steps,
            export=exporter(report, model, plan, where),
            content=judged.content,
            shelf=StoredAttacks(database, judged),
            progress=partial(track.move, "attack"),
        )


def lost_since(door: Invocation, baseline: str, audit_id: str) -> tuple[FindingPair, ...]:
    """Findings that were stable in the baseline and are unstable now."""
    from auditor.gate.gated import lost_between
    from auditor.report.difference import saw_other_strings
    from workers.gating import compared_reports

    with door.reading() as session:
        first, second = compared_reports(session, baseline, audit_id)
    if saw_other_strings(first, second):
        door.output.note("the baseline saw other strings: what was lost since may be theirs and not the model's")
    return lost_between(first, second)


def print_result(output: Output, found: GateResult, path: str, *, github: bool, as_json: bool) -> None:
    """The table, or one JSON document; annotations where they are wanted."""
    if as_json:
        output.document(found.to_json())
        return
    if github:
        from auditor.gate.junit import github_annotations

        for line in github_annotations(path, found.checked):
            output.text(line)
    output.table(("outcome", "claim", "role", "must survive", "why"), found.rows())
    output.note(f"audit {found.audit_id}: `dyck-audit show {found.audit_id}` has the rest")
