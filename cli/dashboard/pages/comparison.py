"""Two audits side by side."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from auditor.report.difference import compare
from cli.dashboard.access import Scope, requires
from cli.dashboard.services import Own, Reading
from cli.dashboard.templating import page

router = APIRouter(dependencies=[requires(Scope.READ)], include_in_schema=False)

SHOWN = 200
"""Pairs on the page; ``dyck-audit diff --json`` has all."""


@router.get("/diff")
def diff_page(request: Request, services: Own, session: Reading, first: str = "", second: str = "") -> HTMLResponse:
    """Which claims changed their verdict, effects, behaviour; without two audits, a form that asks for them."""
    if not first or not second:
        return page(request, "diff.html", first=first, second=second, found=None)
    reports = [services.reports.load(session, audit) for audit in (first, second)]
    found = compare(*reports)
    return page(
        request,
        "diff.html",
        first=first,
        second=second,
        found=found,
        differing=[pair for pair in found.pairs if pair.differs],
        most=SHOWN,
    )
