"""``batch``: many submits, safe to run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.checkpoints import read_checkpoint
from cli.documents import document
from cli.following import follow
from cli.history import result
from cli.invocation import invocation
from cli.options import AsJson, PlanName, Seed, Strings, StringsFormat, Wait
from cli.output import Output
from cli.progress import Track, tracking
from cli.queueing import queue, require_broker
from cli.strings import planned

if TYPE_CHECKING:
    from auditor.settings import Settings
    from auditor.store.lifecycle import Progress
    from auditor.store.session import Database
    from cli.folder import Skipped
    from cli.manifest import Entry


class Status(StrEnum):
    """What became of an entry."""

    SUBMITTED = "submitted"
    ALREADY_THERE = "already there"
    TRIED_AGAIN = "tried again"  # what had failed of it is queued again
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One entry of the summary."""

    entry: str
    checkpoint: str
    status: Status
    audit: str | None = None
    state: str | None = None
    result: str | None = None  # the verdict, or why it failed
    notes: tuple[str, ...] = ()  # what was not read of the checkpoint


COLUMNS = ("entry", "checkpoint", "audit", "status", "state", "result")


def batch(
    context: typer.Context,
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST|FOLDER",
            help="A .toml, .csv or .tsv file, or a folder of checkpoints.",
            show_default=False,
        ),
    ],
    *,
    strings: Strings = None,
    strings_format: StringsFormat = "auto",
    plan: PlanName = "quick",
    seed: Seed = 0,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Submit every checkpoint of a manifest or folder. What was submitted before is not submitted again."""
    from auditor.plans.plan import read_plan
    from cli.folder import look_through
    from cli.manifest import read_manifest

    door = invocation(context)
    entries, settings = read_manifest(manifest), door.settings
    if strings is not None:
        entries = [
            one if one.strings else replace(one, strings=strings, strings_format=strings_format) for one in entries
        ]
    skipped = look_through(manifest)[1] if manifest.is_dir() else []
    read_plan(plan)
    require_broker(settings)
    with door.database(create=True) as database:
        with tracking(door.output) as track:
            outcomes = submit_all(database, settings, entries, track, plan=plan, seed=seed)
        audit_ids = list(dict.fromkeys(one.audit for one in outcomes if one.audit is not None))
        if wait and audit_ids:
            seen = follow(database, settings, audit_ids, door.output)
            outcomes = [finished(one, seen) for one in outcomes]
    print_result(door.output, outcomes, skipped, as_json=as_json)


def submit_all(
    database: Database, settings: Settings, entries: Sequence[Entry], track: Track, *, plan: str, seed: int
) -> list[Outcome]:
    """Submit the entries one by one; a failure is recorded with its reason and does not stop the others."""
    outcomes = []
    for place, entry in enumerate(entries):
        track.move("reading", place / len(entries), entry.where)
        outcomes.append(_submit(database, settings, entry, plan=entry.plan or plan, seed=seed))
    return outcomes


def _submit(database: Database, settings: Settings, entry: Entry, *, plan: str, seed: int) -> Outcome:
    from auditor.errors import AuditorError
    from auditor.plans.plan import read_plan

    if entry.problem:
        return Outcome(entry.where, entry.checkpoint, Status.FAILED, result=entry.problem)
    try:
        chosen = read_plan(plan)
        loaded = read_checkpoint(entry.checkpoint, config=entry.config, format_name=entry.format, entry=entry.entry)
        made = queue(
            database,
            settings,
            loaded,
            planned(chosen, loaded, entry.strings, entry.strings_format),
            seed=seed if entry.seed is None else entry.seed,
            name=entry.name,
            reuse=True,
            is_batch=True,
        )
    except (AuditorError, OSError) as error:
        return Outcome(entry.where, entry.checkpoint, Status.FAILED, result=str(error))
    status = Status.SUBMITTED if made.is_new else Status.TRIED_AGAIN if made.is_retried else Status.ALREADY_THERE
    return Outcome(
        entry.where, entry.checkpoint, status, made.audit.id, str(made.audit.state), result(made.audit), loaded.notes
    )


def finished(outcome: Outcome, seen: dict[str, Progress]) -> Outcome:
    """The outcome once its audit is over."""
    progress = seen.get(outcome.audit or "")
    if progress is None:
        return outcome
    audit = progress.audit
    if audit.state == "done":
        return replace(outcome, state=str(audit.state), result=result(audit))
    return replace(outcome, status=Status.FAILED, state=str(audit.state), result=audit.error or result(audit))


def print_result(output: Output, outcomes: Sequence[Outcome], skipped: Sequence[Skipped], *, as_json: bool) -> None:
    """The summary, in the table failures first; exit 1 if an entry failed."""
    counts = {str(status): sum(one.status is status for one in outcomes) for status in Status}
    if not counts[Status.TRIED_AGAIN]:
        del counts[Status.TRIED_AGAIN]
    if skipped:
        counts["skipped"] = len(skipped)
    if as_json:
        output.document({"entries": document(outcomes), "skipped": document(skipped), "summary": counts})
    else:
        failures_first = sorted(outcomes, key=lambda one: one.status is not Status.FAILED)
        rows = [(o.entry, o.checkpoint, o.audit, str(o.status), o.state, o.result) for o in failures_first]
        output.table(COLUMNS, [*rows, *((one.name, None, None, "skipped", None, one.reason) for one in skipped)])
        output.text(", ".join(f"{count} {status}" for status, count in counts.items()))
        for one in outcomes:
            for note in one.notes:
                output.note(f"{one.entry}: {note}")
    if counts[Status.FAILED]:
        first = next(one for one in outcomes if one.status is Status.FAILED)
        incomplete = [one.audit for one in outcomes if one.status is Status.FAILED and one.audit is not None]
        if incomplete and not as_json:
            output.note(f"`dyck-audit retry {' '.join(incomplete)}`, or the same batch again, runs what failed")
        output.error(f"{counts[Status.FAILED]} of {len(outcomes)} failed, first {first.entry}: {first.result}")
        raise typer.Exit(1)
