"""One audit: how far it is or what it found, its report, and what can be done with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from auditor.errors import NotFoundError, StoreError
from auditor.report.claims import claim_lines
from auditor.store.audits import StoredAudit, count_audits, get_audit, list_audits, resolve_audit
from auditor.store.baselines import get_baseline, set_baseline
from auditor.store.cells import LIVE
from auditor.store.clock import database_now
from auditor.store.filters import AuditFilter
from auditor.store.lifecycle import RETRIED, Progress, progress
from auditor.store.session import Session
from cli.dashboard.access import Scope, requires
from cli.dashboard.api.audits import audit_cancel, audit_remove, audit_retry, exact_audit
from cli.dashboard.report_response import page_response
from cli.dashboard.services import Own, Reading, Services, Store
from cli.dashboard.templating import page

router = APIRouter(prefix="/audits", include_in_schema=False)

READ = [requires(Scope.READ)]
CLAIMS = 60
"""Claims that the page of an audit shows; its report has all."""

OTHERS = 20
"""Audits that it can be compared with from its page."""


@router.get("/{audit}", dependencies=READ)
def audit_page(request: Request, services: Own, session: Reading, audit: str) -> Response:
    """The audit; a start of its id leads to the whole one, so that links name one audit for good."""
    whole = resolve_audit(session, audit)
    if whole != audit:
        return RedirectResponse(f"/audits/{whole}", 303)
    found = progress(session, whole)
    lines = claim_lines(services.reports.load(session, whole)) if found.has_report else ()
    others = list_audits(session, AuditFilter(state="done", limit=OTHERS)).rows
    return page(
        request,
        "audit.html",
        **_facts(session, services, found),
        lines=lines[:CLAIMS],
        more_lines=len(lines[CLAIMS:]),
        others=[other for other in others if other.id != whole],
        baseline=_baseline(session, found.audit),
        can_retry=found.audit.state in RETRIED,
    )


@router.get("/{audit}/progress", dependencies=READ)
def audit_progress(request: Request, services: Own, session: Reading, audit: str) -> HTMLResponse:
    """The part of that page which renews itself. Once the audit is over, the browser opens its whole page."""
    found = progress(session, exact_audit(session, audit))
    shown = page(request, "progress.html", **_facts(session, services, found))
    if found.is_over:
        shown.headers["HX-Redirect"] = f"/audits/{audit}"
    return shown


@router.get("/{audit}/report", dependencies=READ)
def audit_report(services: Own, session: Reading, audit: str) -> Response:
    """The report as the page that ``dyck-audit report`` writes."""
    return page_response(services.reports.page(session, audit)[1])


@router.post("/{audit}/cancel", dependencies=[requires(Scope.SUBMIT)])
def cancel(database: Store, audit: str) -> Response:
    """Stop it."""
    audit_cancel(database, audit)
    return RedirectResponse(f"/audits/{audit}", 303)


@router.post("/{audit}/retry", dependencies=[requires(Scope.SUBMIT)])
def retry(services: Own, database: Store, audit: str) -> Response:
    """Run again what failed or was cancelled."""
    audit_retry(services, database, audit)
    return RedirectResponse(f"/audits/{audit}", 303)


@router.post("/{audit}/baseline", dependencies=[requires(Scope.SUBMIT)])
def pin(database: Store, audit: str) -> Response:
    """Pin it: later audits of models of this name are compared with it."""
    with database.transaction() as session:
        set_baseline(session, exact_audit(session, audit))
    return RedirectResponse(f"/audits/{audit}", 303)


@router.get("/{audit}/delete", dependencies=[requires(Scope.ADMIN)])
def ask_to_delete(request: Request, session: Reading, audit: str) -> HTMLResponse:
    """Say what would go, and ask."""
    found = get_audit(session, exact_audit(session, audit))
    what = f"audit {found.id} of {found.model_name}"
    removed = "its findings and its report; the twins it made stay with the model"
    is_live = found.state in LIVE
    return page(request, "delete.html", what=what, removed=removed, back=f"/audits/{audit}", choice="", is_live=is_live)


@router.post("/{audit}/delete", dependencies=[requires(Scope.ADMIN)])
def delete(database: Store, audit: str) -> Response:
    """Remove it."""
    audit_remove(database, audit)
    return RedirectResponse("/", 303)


def _baseline(session: Session, audit: StoredAudit) -> str | None:
    """The pinned audit that this one is compared with; None where it is the one, or there is none."""
    try:
        return get_baseline(session, audit)
    except (NotFoundError, StoreError):
        return None


def _facts(session: Session, services: Services, found: Progress) -> dict[str, Any]:
    """What both the page and its part show: counts, how long it waited and ran, who computes and what else."""
    now = database_now(session)
    begun, ended = found.audit.started_at, found.audit.finished_at
    return {
        "audit": found.audit,
        "progress": found,
        "waited": _seconds((begun or ended or now) - found.audit.created_at),
        "ran": None if begun is None else _seconds((ended or now) - begun),
        "others_live": sum(number for state, number in count_audits(session).items() if state in LIVE) - 1,
        "computed_by": services.computing.by,
        "problem": services.hidden(services.computing.problem),
    }


def _seconds(span: timedelta) -> str:
    whole = max(0, round(span.total_seconds()))
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
