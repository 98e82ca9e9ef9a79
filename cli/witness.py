"""``witness`` and ``verify``: the twin that overturns a claim, as files that can be checked alone; any twin too."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.destinations import require_empty
from cli.documents import document
from cli.invocation import invocation
from cli.options import AsJson
from cli.progress import tracking

if TYPE_CHECKING:
    from auditor.canonical.model import CanonicalTransformer
    from auditor.contracts import Progress
    from auditor.exports.sealed_folder import Check
    from auditor.records import AuditReport, Finding, StringsFile
    from auditor.store.session import Database


def witness(
    context: typer.Context,
    finding: Annotated[
        str, typer.Argument(metavar="FINDING", help="An id from `findings`, or AUDIT/FINDING.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The folder to write; new or empty.", show_default=False)],
) -> None:
    """Export the twin behind a finding with its certificate, to be checked from the files alone."""
    from auditor.exports.witness import export_witness

    door = invocation(context)
    require_empty(out)
    with door.database() as database:
        report, found = _reported(database, finding)
        original, twin = _models(database, report.audit.id, found)
        strings = _strings(database, report.audit.id)
    written = export_witness(out, report=report, finding=found, original=original, twin=twin, strings=strings)
    door.output.text(str(written))
    door.output.note(f"check it from its files with `dyck-audit verify {out}`")


def verify(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `witness` or `twin` wrote.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Re-establish an exported witness or twin from its files alone; exit 1 if one check fails."""
    output = invocation(context).output
    with tracking(output) as track:
        about, checks = _verified(directory, partial(track.move, "verifying"))
    failed = [check for check in checks if not check.passed]
    if as_json:
        output.document({"passed": not failed, **about, "checks": document(checks)})
    else:
        rows = [(check.name, "ok" if check.passed else "failed", check.detail) for check in checks]
        output.table(("check", "result", "detail"), rows)
    if failed:
        output.error(f"{directory} does not re-establish its claim: {failed[0].name}: {failed[0].detail}")
        raise typer.Exit(1)
    if not as_json:
        output.text(f"verified: {len(checks)} checks passed")


def _verified(directory: Path, progress: Progress) -> tuple[dict[str, Any], tuple[Check, ...]]:
    """What a folder is about, and its checks: a twin with its certificate, or the witness of a finding."""
    from auditor.exports.twin import is_twin_folder, verify_twin
    from auditor.exports.witness import verify_witness

    if is_twin_folder(directory):
        twin = verify_twin(directory, progress=progress)
        return {"variant": twin.variant.to_json()}, twin.checks
    found = verify_witness(directory, progress=progress)
    return {"finding": found.finding.to_json()}, found.checks


def _reported(database: Database, text: str) -> tuple[AuditReport, Finding]:
    """The finding and its report."""
    from auditor.errors import WitnessError
    from auditor.store.findings import get_finding
    from auditor.store.reports import load_report, with_twin_of

    with database.transaction(read_only=True) as session:
        audit_id, found = get_finding(session, text)
        report = with_twin_of(session, load_report(session, audit_id), found)
    if found.worst_variant is None:
        raise WitnessError(
            f"finding {found.id} has no variant that was compared",
            action="`dyck-audit findings --verdict unstable` lists some that have",
        )
    return report, found


def _models(database: Database, audit_id: str, found: Finding) -> tuple[CanonicalTransformer, CanonicalTransformer]:
    """The original and the twin, from the store."""
    from auditor.store.audits import get_audit
    from auditor.store.models import get_model
    from auditor.store.results import load_variant
    from workers.stored_models import original_model, variant_model

    with database.transaction(read_only=True) as session:
        stored = get_model(session, get_audit(session, audit_id).model_id)
        variant = load_variant(session, audit_id, found.worst_variant or "")
    return original_model(database, stored), variant_model(database, stored, variant)


def _strings(database: Database, audit_id: str) -> StringsFile | None:
    """The user's strings that the audit saw, from the store."""
    from auditor.store.audits import get_audit
    from workers.stored_models import stored_plan

    with database.transaction(read_only=True) as session:
        plan = get_audit(session, audit_id).plan
    return stored_plan(database, plan).strings
