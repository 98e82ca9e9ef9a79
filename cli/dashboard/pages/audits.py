"""The list of audits, which is the first page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from auditor.store.audits import list_audits
from auditor.store.filters import AuditFilter
from cli.dashboard.access import Scope, requires
from cli.dashboard.services import Reading
from cli.dashboard.templating import page

router = APIRouter(dependencies=[requires(Scope.READ)])

SHOWN = 50


@router.get("/", include_in_schema=False)
def audits_page(request: Request, session: Reading) -> HTMLResponse:
    """The newest audits."""
    return page(request, "audits.html", audits=list_audits(session, AuditFilter(limit=SHOWN)).rows)
