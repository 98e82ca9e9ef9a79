"""``history prune``: removes old audits."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from cli.documents import document
from cli.history import read_moment
from cli.invocation import invocation
from cli.options import AsJson


def prune(
    context: typer.Context,
    *,
    older_than: Annotated[
        datetime,
        typer.Option(
            parser=read_moment,
            metavar="AGE|DATE",
            help="Audits that ended before: 90d, 12w, 2026-01-31.",
            show_default=False,
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove audits that ended long ago, with their findings and the weights that only they needed.

    Models, their trained twins and calibrations stay, and so does an audit that is a baseline.
    """
    from auditor.store.removal import prune_audits

    door = invocation(context)
    with door.database() as database, database.transaction() as session:
        pruned = prune_audits(session, before=older_than)
        if dry_run:
            session.rollback()  # all of it was done, so that the numbers are right
    if as_json:
        door.output.document({"dry_run": dry_run, **document(pruned)})
        return
    would = "would be removed" if dry_run else "removed"
    door.output.text(
        f"{pruned.audits} audits with {pruned.findings} findings {would}, "
        f"{pruned.bytes / 1e6:.1f} MB of weights and strings"
    )
    if pruned.kept:
        door.output.note(f"{pruned.kept} old audits stay: they are baselines, or others continue from them")
