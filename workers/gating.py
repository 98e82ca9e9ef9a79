"""What a gate judges and attacks, from the store."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.canonical.model import CanonicalTransformer
from auditor.gate.claims_file import Entry
from auditor.plans.plan import Plan
from auditor.records import AuditReport
from auditor.stages.conclude import Results
from auditor.stages.content import content_of
from auditor.store import Session, get_audit, resolve_audit
from auditor.store.models import get_model
from auditor.store.reports import load_report
from auditor.store.session import Database
from workers.conclusion import finished_audit, load_results
from workers.stored_models import original_model, stored_plan


@dataclass(frozen=True)
class Gated:
    """What the claims are judged on."""

    audit_id: str
    content: str  # what was audited: a part of the ids of findings
    plan: Plan
    seed: int
    results: Results
    entries: tuple[Entry, ...]


def gated(session: Session, audit_id: str, entries: tuple[Entry, ...]) -> Gated:
    """The results of a finished audit, for the claims about its model.

    Raises:
        StoreError: it is not finished.
    """
    audit = finished_audit(session, audit_id)
    report = load_report(session, audit.id)
    content = content_of(report.audit, report.model)
    return Gated(audit.id, content, Plan.from_json(audit.plan), audit.seed, load_results(session, audit.id), entries)


def compared_reports(session: Session, baseline: str, audit_id: str) -> tuple[AuditReport, AuditReport]:
    """The reports of a baseline, by an id or the start of one, and of an audit."""
    return load_report(session, resolve_audit(session, baseline)), load_report(session, audit_id)


def attacked_model(database: Database, judged: Gated) -> tuple[AuditReport, CanonicalTransformer, Plan]:
    """The report of the audit, its model, and its plan with the user's strings where it has some."""
    with database.transaction(read_only=True) as session:
        report = load_report(session, judged.audit_id)
        audit = get_audit(session, judged.audit_id)
        stored = get_model(session, audit.model_id)
    return report, original_model(database, stored), stored_plan(database, audit.plan)
