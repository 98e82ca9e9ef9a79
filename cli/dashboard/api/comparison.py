"""Two audits side by side."""

from __future__ import annotations

from fastapi import APIRouter

from auditor.records import Json
from auditor.report.difference import compare
from auditor.store.audits import resolve_audit
from auditor.store.reports import load_report
from cli.api_documents import PREFIX
from cli.dashboard.access import Scope, requires
from cli.dashboard.services import Reading

router = APIRouter(prefix=PREFIX, tags=["findings"], dependencies=[requires(Scope.READ)])


@router.get("/diff")
def diff(session: Reading, first: str, second: str) -> dict[str, Json]:
    """Which claims changed their verdict, by how much, and how the behaviour differs."""
    return compare(*(load_report(session, resolve_audit(session, audit)) for audit in (first, second))).to_json()
