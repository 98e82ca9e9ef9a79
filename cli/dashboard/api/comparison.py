"""Two audits side by side."""

from __future__ import annotations

from fastapi import APIRouter

from auditor.records import Json
from auditor.report.difference import compare
from auditor.store.audits import get_audit, resolve_audit
from auditor.store.baselines import get_baseline
from auditor.store.reports import load_report
from cli.api_documents import PREFIX
from cli.dashboard.access import Scope, requires
from cli.dashboard.services import Reading

router = APIRouter(prefix=PREFIX, tags=["findings"], dependencies=[requires(Scope.READ)])


@router.get("/diff")
def diff(session: Reading, first: str, second: str | None = None, everything: bool = False) -> dict[str, Json]:
    """Whether two audits are comparable, and which claims and which behaviour differ; with ``everything`` the rest too.

    With one audit: the pinned baseline of its model's name, with it.
    """
    if second is None:
        later = get_audit(session, first)
        pair = (get_baseline(session, later), later.id)
    else:
        pair = (resolve_audit(session, first), resolve_audit(session, second))
    found = compare(*(load_report(session, audit_id) for audit_id in pair))
    return found.to_json(all_pairs=everything)
