"""The list of audits, which is the first page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from auditor.store.audits import count_matching_audits, list_audits
from auditor.store.cells import LIVE
from auditor.store.filters import AuditFilter
from cli.dashboard.access import Scope, requires
from cli.dashboard.pages.filters import listed
from cli.dashboard.services import Own, Reading
from cli.dashboard.templating import page

router = APIRouter(dependencies=[requires(Scope.READ)], include_in_schema=False)


@router.get("/")
def audits_page(request: Request, services: Own, session: Reading) -> HTMLResponse:
    """The audits that the URL asks for; while one of them runs, the list renews itself."""
    found = listed(request, session, services, AuditFilter, list_audits, count_matching_audits)
    is_live = any(audit.state in LIVE for audit in found.rows)
    here = str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
    return page(request, "audits.html", found.status, listed=found, is_live=is_live, here=here)
