"""The end of an audit: its report as one compressed document, its findings as rows that can be searched."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from auditor.errors import NotFoundError, RecordError, StoreError
from auditor.records import AuditReport, AuditState, Finding, Verdict
from auditor.store.clock import database_now
from auditor.store.columns import require_clean_json
from auditor.store.lifecycle import RETRIED
from auditor.store.locking import require_audit
from auditor.store.results import load_variant
from auditor.store.schema import audit, finding
from auditor.store.upsert import insert_or_replace


def save_report(session: Connection, audit_id: str, report: AuditReport) -> AuditReport:
    """Store the report and its findings and end the audit; a second time replaces the first.

    The state is "done", or "incomplete" where cells have failed; that audit keeps its first error. The report as
    stored: its audit has the row's id, times and state, whatever the report had there.

    Raises:
        NotFoundError: no such audit.
        UnstorableValueError: a number somewhere in the report is not finite; the message gives its path.
    """
    require_audit(session, audit_id)
    row = session.execute(select(audit.c.created_at, audit.c.cells_failed).where(audit.c.id == audit_id)).one()
    state = AuditState.INCOMPLETE if row.cells_failed else AuditState.DONE
    finished_at = database_now(session)
    header = replace(
        report.audit,
        id=audit_id,
        created_at=row.created_at.isoformat(),
        finished_at=finished_at.isoformat(),
        state=state,
    )
    complete = replace(report, audit=header)
    document = complete.to_json()
    require_clean_json(document, name="report")
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    counts = Counter(str(one.verdict) for one in complete.findings)
    done = {
        "state": state,
        "finished_at": finished_at,
        "headline": report.summary.headline,
        **{str(verdict): counts[verdict] for verdict in Verdict},
        "report": zlib.compress(text.encode()),
    }
    session.execute(update(audit).where(audit.c.id == audit_id).values(done))
    session.execute(delete(finding).where(finding.c.audit_id == audit_id))
    rows = [finding_row(audit_id, row.created_at, place, one) for place, one in enumerate(complete.findings)]
    if rows:
        session.execute(insert(finding), rows)
    return complete


def load_report(session: Connection, audit_id: str) -> AuditReport:
    """The report of an audit.

    Raises:
        NotFoundError: no such audit, or it has no report: it is not done.
        StoreError: the stored report is damaged.
    """
    row = session.execute(select(audit.c.report, audit.c.state).where(audit.c.id == audit_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"no audit {audit_id!r}", action="list them with `dyck-audit history`")
    if row.report is None:
        action = "type `dyck-audit retry " if row.state in RETRIED else "type `dyck-audit watch "
        raise NotFoundError(f"audit {audit_id} is {row.state} and has no report", action=f"{action}{audit_id}`")
    try:
        return AuditReport.from_json(json.loads(zlib.decompress(row.report)))
    except (zlib.error, ValueError, RecordError) as error:
        raise StoreError(
            f"the stored report of audit {audit_id} is damaged", action="restore a backup or run the audit again"
        ) from error


def add_finding(session: Connection, audit_id: str, one: Finding) -> None:
    """Store a finding after those of the report, which stays as it is; a second time replaces the first.

    Raises:
        NotFoundError: no such audit.
        UnstorableValueError: a number of it is not finite.
    """
    require_audit(session, audit_id)
    require_clean_json(one.to_json(), name=f"finding {one.id}")
    created_at = session.execute(select(audit.c.created_at).where(audit.c.id == audit_id)).scalar_one()
    others = (finding.c.audit_id == audit_id) & (finding.c.id != one.id)
    last = session.execute(select(func.max(finding.c.position)).where(others)).scalar_one()
    insert_or_replace(session, finding, finding_row(audit_id, created_at, 0 if last is None else last + 1, one))


def with_twin_of(session: Connection, report: AuditReport, one: Finding) -> AuditReport:
    """The report with the worst variant of a finding among its variants, also where it was made after the audit.

    Raises:
        NotFoundError: the audit has no such variant.
    """
    key = one.worst_variant
    if key is None or any(variant.key == key for variant in report.variants):
        return report
    return replace(report, variants=(*report.variants, load_variant(session, report.audit.id, key)))


def finding_row(audit_id: str, audit_created_at: datetime, position: int, one: Finding) -> dict[str, Any]:
    """One row of the table of findings."""
    component = one.claim.component
    return {
        "audit_id": audit_id,
        "id": one.id,
        "position": position,
        "method": one.claim.method,
        "equivalence": one.equivalence,
        "layer": component.layer,
        "head": component.head,
        "neuron": component.neuron,
        "effect": one.effect,
        "verdict": str(one.verdict),
        "claim": one.claim.kind,
        "basis": str(one.grounds),
        "invariant": one.invariant,
        "resolved": one.resolved,
        "audit_created_at": audit_created_at,
        "body": one.to_json(),
    }
