"""``reproduce``: a published study again, with our own trainer and our own audits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.following import follow, unfinished, workers_here
from cli.invocation import Invocation, invocation
from cli.options import AsJson
from cli.progress import tracking
from cli.queueing import require_broker

if TYPE_CHECKING:
    from auditor.reproduction.cohort import Cohort
    from auditor.reproduction.results import Reproduction
    from auditor.reproduction.scales import Scale
    from auditor.store.session import Database
    from cli.output import Output
    from workers.local import LocalWorkers
    from workers.reproducing import Submitted

COLUMNS = ("part", "quantity", "ours>", "models>", "reference>", "inside")


def reproduce(
    context: typer.Context,
    study: Annotated[str, typer.Argument(metavar="wen2023|steinberg2026", help="The study.", show_default=False)],
    *,
    scale: Annotated[
        str, typer.Option(metavar="smoke|paper", help="Every part in minutes, or the study's own sizes.")
    ] = "smoke",
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="FAMILY", help="Only this family; give it several times for several.", show_default="all"),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=100, help="Models of each family.", show_default="by the scale")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the page, the JSON and the pictures.", show_default="by study, scale"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train the models of a study, audit them, and put our numbers beside those of its code.

    Stopped with Ctrl-C or killed, the same command goes on; what is stored is not computed again.
    """
    from auditor.reproduction.scales import scale_of
    from workers.reproducing import chosen_cohorts

    door, chosen = invocation(context), scale_of(study, scale)
    cohorts = chosen_cohorts(study, chosen, only or ())
    folder = out or Path(f"reproduction-{study}-{scale}")
    require_output_folder(folder)
    try:
        found = run(door, study, cohorts, chosen, seeds)
    except KeyboardInterrupt:
        door.output.note("interrupted; the same command goes on from here")
        raise
    write_all(found, folder)
    if as_json:
        door.output.document(found.to_json())
    else:
        print_result(door.output, found, folder)


def run(door: Invocation, study: str, cohorts: Sequence[Cohort], scale: Scale, seeds: int | None) -> Reproduction:
    """Train, store and submit family by family while workers audit; then wait, and measure what is left.

    Raises:
        AuditorError: an audit has no report.
    """
    from auditor.errors import AuditorError
    from workers.reproducing import STUDIES, collected

    settings = door.settings
    require_broker(settings)
    with door.database(create=True) as database, workers_here(settings) as workers:
        sent = _submit_all(door, database, workers, study, cohorts, scale, seeds)
        seen = follow(database, settings, [one.audit_id for one in sent], door.output, workers)
        for problem in unfinished(seen):
            door.output.note(problem)
        for audit_id, progress in seen.items():
            if not progress.has_report:
                raise AuditorError(f"audit {audit_id} has no report", action="type the command again, which goes on")
        with tracking(door.output) as track:
            audited = list(collected(database, sent, scale.plan))
            found: Reproduction = STUDIES[study].reproduction(audited, scale, progress=partial(track.move, "measuring"))
            track.end("measuring", f"{len(found.rows)} numbers from {len(audited)} models")
    return found


def _submit_all(
    door: Invocation,
    database: Database,
    workers: LocalWorkers | None,
    study: str,
    cohorts: Sequence[Cohort],
    scale: Scale,
    seeds: int | None,
) -> list[Submitted]:
    from workers.reproducing import submitted

    broker_url = door.settings.broker_url if workers is None else workers.broker_url
    sent: list[Submitted] = []
    for cohort in cohorts:
        with tracking(door.output) as track:
            made = submitted(
                database,
                study,
                cohort,
                scale.seeds_of(cohort.name, seeds),
                scale=scale,
                folder=door.settings.home / "reproduction",
                broker_url=broker_url,
                progress=partial(track.move, cohort.name),
            )
            again = sum(not one.is_new for one in made)
            track.end(cohort.name, f"{len(made)} models" + (f", {again} audits of an earlier run" if again else ""))
        sent += made
    return sent


def require_output_folder(folder: Path) -> None:
    """Make the folder, or refuse a path that is a file or lies in no folder.

    Raises:
        ReportError: it cannot be a folder.
    """
    from auditor.errors import ReportError

    if folder.exists() and not folder.is_dir():
        raise ReportError(f"{folder} is a file", expected="a folder", action="choose another --out")
    if not folder.absolute().parent.is_dir():
        raise ReportError(f"there is no folder {folder.absolute().parent}", expected="an existing folder")
    folder.mkdir(exist_ok=True)


def write_all(found: Reproduction, folder: Path) -> None:
    """The page, the document and every picture in two formats."""
    from auditor.files.whole_file import write_whole
    from auditor.reproduction.page import render_page
    from auditor.reproduction.plots import FORMATS, drawn, pictures

    text = json.dumps(found.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(folder / "reproduction.json", text.encode())
    write_whole(folder / "index.html", render_page(found).encode())
    for name in pictures(found):
        for form in FORMATS:
            write_whole(folder / f"{name}.{form}", drawn(found, name, form))


def print_result(output: Output, found: Reproduction, folder: Path) -> None:
    """One row for each number, then the headline and where the page is."""
    from auditor.reproduction.page import band, headline, ours

    rows = [
        (row.part, row.quantity, ours(row), row.models, band(row), {True: "yes", False: "NO", None: "–"}[row.inside])
        for row in found.rows
    ]
    output.table(COLUMNS, rows)
    output.text(headline(found))
    if found.verdict:
        output.text(found.verdict)
    output.text(f"The page: {folder / 'index.html'}")
