"""``submit``: checkpoints in, audits queued; with ``--wait`` their reports out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.checkpoints import compare, read_checkpoint
from cli.decide import Asked
from cli.decide import decide as look_again
from cli.following import COLUMNS, follow, summary_rows, unfinished, workers_here
from cli.invocation import invocation
from cli.options import (
    AsJson,
    Config,
    EntryName,
    FormatName,
    PlanName,
    Reference,
    Seed,
    ServerUrl,
    Strings,
    StringsFormat,
    TokenFile,
    Wait,
)
from cli.output import Output
from cli.queueing import queue, require_broker
from cli.strings import planned

if TYPE_CHECKING:
    from auditor.records import AuditReport
    from auditor.settings import Settings
    from auditor.store.lifecycle import Progress
    from auditor.store.session import Database
    from cli.remote.store import RemoteStore
    from cli.remote.submitting import Request
    from workers.local import LocalWorkers
    from workers.submission import Submission


def submit(
    context: typer.Context,
    checkpoints: Annotated[
        list[str],
        typer.Argument(metavar="CHECKPOINT...", help="Files, or names of bundled models.", show_default=False),
    ],
    *,
    config: Config = None,
    name: Annotated[str | None, typer.Option(help="Name of the model; without it: the file's name.")] = None,
    format_name: FormatName = "auto",
    entry: EntryName = None,
    reference: Reference = None,
    strings: Strings = None,
    strings_format: StringsFormat = "auto",
    plan: PlanName = "quick",
    seed: Seed = 0,
    wait: Wait = False,
    decide: Annotated[
        bool, typer.Option("--decide", help="Wait, and add sequences for what is undecided; error rates are held.")
    ] = False,
    budget: Annotated[
        int | None, typer.Option(min=1, help="With --decide: the most sequences; else 8 times those of the plan.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Only show what would run, how long, and what it can detect.")
    ] = False,
    server: ServerUrl = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Store models, create their audits and queue them; prints the audits' ids.

    With --wait an audit of the same request that is not finished is gone on with, as after a power cut.
    """
    _check_together(checkpoints, name, reference, strings=strings, decide=decide, budget=budget)
    door = invocation(context)
    if server is not None:
        from cli.remote.submitting import Request

        if decide or explain:
            raise typer.BadParameter("--decide and --explain need the database; leave out --server")
        asked_there = Request(
            checkpoints, config, reference, name, format_name, entry, plan, strings, strings_format, seed
        )
        _at_server(door.output, server, token_file, asked_there, wait=wait, as_json=as_json)
        return
    from auditor.plans.plan import read_plan

    chosen, settings = read_plan(plan), door.settings
    if not explain:
        require_broker(settings)
    loaded = [
        read_checkpoint(text, door.output, config=config, format_name=format_name, entry=entry) for text in checkpoints
    ]
    plans = [planned(chosen, one, strings, strings_format) for one in loaded]
    if explain:
        from cli.explain import explain as forecast_audit

        for asked_of, its_plan in zip(loaded, plans, strict=True):
            forecast_audit(door.output, settings, asked_of, its_plan, seed=seed, as_json=as_json)
        return
    compare(loaded[0], reference)
    with door.database(create=True) as database, workers_here(settings, wanted=wait or decide) as workers:
        if decide:
            asked_for = Asked(loaded[0], plans[0], seed, name, budget)
            look_again(database, settings, asked_for, door.output, workers, as_json=as_json)
            return

        made = [
            queue(database, settings, one, its_plan, seed=seed, name=name, resume=wait)
            for one, its_plan in zip(loaded, plans, strict=True)
        ]
        for one in made:
            if not one.is_new:
                door.output.note(f"goes on with audit {one.audit.id}, which is the same and not finished")
            if name is not None and one.audit.model_name != name:
                door.output.note(f"these weights are stored already and keep their name {one.audit.model_name}")
        if wait:
            finish(database, settings, [one.audit.id for one in made], door.output, workers, as_json=as_json)
        else:
            tell_queued(door.output, made, settings, as_json=as_json)


def _check_together(
    checkpoints: Sequence[str],
    name: str | None,
    reference: Path | None,
    *,
    strings: Path | None,
    decide: bool,
    budget: int | None,
) -> None:
    """Refuse options that contradict each other."""
    for option, given in (("--name", name), ("--reference", reference)):
        if len(checkpoints) > 1 and given is not None:
            raise typer.BadParameter(f"{option} is for one checkpoint")
    if decide and (strings is not None or len(checkpoints) > 1):
        raise typer.BadParameter("--decide is for one checkpoint and for sequences drawn from the task")
    if budget is not None and not decide:
        raise typer.BadParameter("--budget needs --decide")


def tell_queued(output: Output, made: Sequence[Submission], settings: Settings, *, as_json: bool) -> None:
    """The new ids, and what will compute the audits."""
    if as_json:
        audits = [{"id": m.audit.id, "model": m.audit.model_id, "state": str(m.audit.state)} for m in made]
        output.document({"audits": audits})
        return
    for one in made:
        output.text(one.audit.id)
        output.note(f"{one.audit.model_name}, plan {one.audit.plan_name}: {one.audit.cells_total} cells queued")
    if settings.broker_url is None:
        output.note("`dyck-audit watch` computes it here and shows the progress")
    else:
        output.note("any `dyck-audit worker` on this broker computes it; `dyck-audit watch` shows the progress")


def finish(
    database: Database,
    settings: Settings,
    audit_ids: Sequence[str],
    output: Output,
    workers: LocalWorkers | None = None,
    *,
    as_json: bool,
) -> None:
    """Follow audits to their end and print what they found; exit 1 if one lacks something."""
    from auditor.store.reports import load_report

    seen = follow(database, settings, audit_ids, output, workers)
    with database.transaction(read_only=True) as session:
        reports = [load_report(session, audit_id) for audit_id, progress in seen.items() if progress.has_report]
    tell_finished(output, seen, reports, unfinished(seen), as_json=as_json)


def tell_finished(
    output: Output,
    seen: Mapping[str, Progress],
    reports: Sequence[AuditReport],
    problems: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """What audits found that are over; exit 1 if there are problems."""
    if as_json:
        documents: list[Any] = [report.to_json() for report in reports]
        if len(seen) > 1:
            output.document(documents)
        elif documents:
            output.document(documents[0])
    elif len(seen) == 1 and reports:
        from auditor.report.terminal import render_report

        output.show(render_report(reports[0]))
    else:
        output.table(COLUMNS, summary_rows(seen))
    for problem in problems:
        output.error(problem)
    if problems:
        raise typer.Exit(1)


def _at_server(
    output: Output, server: str, token_file: Path | None, asked: Request, *, wait: bool, as_json: bool
) -> None:
    from cli.remote.store import remote_store
    from cli.remote.submitting import submit_remotely, tell_started

    with remote_store(server, token_file, output) as store:
        made = submit_remotely(store, asked, output)
        if not wait:
            tell_started(output, store, made, as_json=as_json)
            return
        wait_at_server(store, [one.id for one in made], output, as_json=as_json)


def wait_at_server(store: RemoteStore, audit_ids: Sequence[str], output: Output, *, as_json: bool) -> None:
    """Follow audits on a server to their end and print what they found; exit 1 if one lacks something."""
    from cli.remote.submitting import follow_remotely

    seen = follow_remotely(store, audit_ids, output)
    reports = [store.report(audit_id) for audit_id, progress in seen.items() if progress.has_report]
    tell_finished(output, seen, reports, unfinished(seen, options=store.option), as_json=as_json)
