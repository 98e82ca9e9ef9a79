"""Findings across all audits."""

from __future__ import annotations

from fastapi import APIRouter, Request

from auditor.records import Json
from auditor.store.filters import FindingFilter
from auditor.store.findings import StoredFinding, get_finding, list_findings
from cli.api_documents import PREFIX, FindingsPage
from cli.dashboard.access import Scope, requires
from cli.dashboard.api.parameters import query_parameters, wanted_rows
from cli.dashboard.services import Own, Reading
from cli.documents import document

router = APIRouter(prefix=f"{PREFIX}/findings", tags=["findings"], dependencies=[requires(Scope.READ)])


@router.get("", openapi_extra=query_parameters(FindingFilter))
def findings_list(request: Request, services: Own, session: Reading) -> FindingsPage:
    """The findings that meet every condition."""
    found = list_findings(session, wanted_rows(request, session, services.models, FindingFilter))
    return FindingsPage([_listed(one) for one in found.rows], found.next)


@router.get("/{audit}/{finding}")
def finding_show(session: Reading, audit: str, finding: str) -> dict[str, Json]:
    """One finding of an audit."""
    audit_id, found = get_finding(session, finding, audit=audit)
    return {"audit": audit_id} | found.to_json()


def _listed(one: StoredFinding) -> dict[str, Json]:
    where: dict[str, Json] = {"audit": one.audit_id, "model": one.model_name, "model_id": one.model_id}
    return where | {"audit_created_at": document(one.audit_created_at)} | one.finding.to_json()
