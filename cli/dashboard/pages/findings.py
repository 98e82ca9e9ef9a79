"""Findings across all audits, and one of them with what is known about its claim."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from auditor.report.matrix import by_severity
from auditor.report.story import story_of
from auditor.store.filters import FindingFilter
from auditor.store.findings import count_findings, get_finding, list_findings
from auditor.store.reports import with_twin_of
from cli.dashboard.access import Scope, requires
from cli.dashboard.pages.filters import listed
from cli.dashboard.services import Own, Reading
from cli.dashboard.templating import page

router = APIRouter(prefix="/findings", dependencies=[requires(Scope.READ)], include_in_schema=False)


@router.get("")
def findings_page(request: Request, services: Own, session: Reading) -> HTMLResponse:
    """The findings that the URL asks for."""
    found = listed(request, session, services, FindingFilter, list_findings, count_findings)
    return page(request, "findings.html", found.status, listed=found)


@router.get("/{audit}/{finding}")
def finding_page(request: Request, services: Own, session: Reading, audit: str, finding: str) -> Response:
    """One claim under one equivalence: what moved, original and twin side by side, how to check it."""
    audit_id, found = get_finding(session, finding, audit=audit)
    if (audit_id, found.id) != (audit, finding):
        return RedirectResponse(f"/findings/{audit_id}/{found.id}", 303)
    report = with_twin_of(session, services.reports.load(session, audit_id), found)
    same = [one for one in report.findings if one.claim.identity == found.claim.identity]
    return page(
        request,
        "finding.html",
        report=report,
        finding=found,
        story=story_of(report, found),
        same=sorted(same, key=by_severity),
    )
