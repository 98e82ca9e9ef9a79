"""Findings across all audits: search them, and get one by its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, func, select

from auditor.records import Finding
from auditor.store import schema
from auditor.store.audits import is_model, resolve_audit
from auditor.store.filters import FindingFilter, FindingSort
from auditor.store.functions import models_of_function
from auditor.store.ids import only_match
from auditor.store.paging import COUNTED, Page, SortKey, beyond, lost_place, one_more, page

_LIST_COMMAND = "dyck-audit findings"

_SHOWN = 6

_COLUMNS = (
    schema.finding.c.audit_id,
    schema.audit.c.model_id,
    schema.model.c.name,
    schema.audit.c.created_at,
    schema.finding.c.body,
)

_NEWEST = (
    SortKey(schema.audit.c.created_at, is_descending=True),
    SortKey(schema.finding.c.audit_id),
    SortKey(schema.finding.c.position),
)
_LARGEST = (
    SortKey(case((schema.finding.c.effect.is_(None), 1), else_=0)),
    SortKey(func.coalesce(schema.finding.c.effect, 0.0), is_descending=True),
)

_ORDERS: Mapping[str, tuple[SortKey, ...]] = {
    FindingSort.CREATED: _NEWEST,
    FindingSort.EFFECT: (*_LARGEST, *_NEWEST),
}


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """One finding and where it is from."""

    audit_id: str
    model_id: str
    model_name: str
    audit_created_at: datetime
    finding: Finding

    @property
    def key(self) -> str:
        """AUDIT/FINDING, which names it in the whole store."""
        return f"{self.audit_id}/{self.finding.id}"


def list_findings(session: Connection, wanted: FindingFilter = FindingFilter()) -> Page[StoredFinding]:  # noqa: B008
    """A page of the findings that meet every condition.

    Raises:
        NotFoundError, AmbiguousError: the audit named is none, or several.
        FilterError: the function is none of the store's, or the page goes on after a finding that is not there.
    """
    keys = _ORDERS[wanted.sort]
    query = (
        select(*_COLUMNS)
        .join_from(schema.finding, schema.audit)
        .join(schema.model)
        .where(*_conditions(session, wanted))
        .order_by(*(key.ordered for key in keys))
    )
    if wanted.after is not None:
        query = query.where(beyond(keys, _place(session, keys, wanted.after)))
    rows = (_record(row) for row in session.execute(query))
    met = islice((row for row in rows if _is_met(row.finding, wanted)), one_more(wanted.limit))
    return page(list(met), wanted.limit, lambda last: last.key)


def count_findings(session: Connection, wanted: FindingFilter, *, at_most: int = COUNTED) -> int:
    """How many findings meet every condition, whatever the page; no more than ``at_most`` are counted."""
    return len(list_findings(session, replace(wanted, after=None, limit=at_most)).rows)


def _conditions(session: Connection, wanted: FindingFilter) -> Iterator[ColumnElement[bool]]:
    found, audit = schema.finding.c, schema.audit.c
    if wanted.model is not None:
        yield is_model(wanted.model)
    if wanted.function is not None:
        yield audit.model_id.in_(models_of_function(session, wanted.function))
    if wanted.audit is not None:
        yield found.audit_id == resolve_audit(session, wanted.audit)
    if wanted.since is not None:
        yield audit.created_at >= wanted.since
    if wanted.until is not None:
        yield audit.created_at < wanted.until
    if wanted.min_effect is not None:
        yield found.effect >= wanted.min_effect
    for name in ("method", "equivalence", "layer", "head", "verdict"):
        if (value := getattr(wanted, name)) is not None:
            yield found[name] == value


def _is_met(finding: Finding, wanted: FindingFilter) -> bool:
    facts: dict[str, object] = {"claim": finding.claim.kind, "basis": finding.grounds}
    facts |= {"invariant": finding.invariant, "resolved": finding.resolved}
    return all(getattr(wanted, name) in (None, fact) for name, fact in facts.items())


def _place(session: Connection, keys: Sequence[SortKey], text: str) -> Row[Any]:
    audit_id, _, finding_id = text.partition("/")
    this = (schema.finding.c.audit_id == audit_id) & (schema.finding.c.id == finding_id)
    query = select(*(key.expression for key in keys)).join_from(schema.finding, schema.audit).where(this)
    row = session.execute(query).one_or_none()
    if row is None:
        raise lost_place(text)
    return row


def _record(row: Row[Any]) -> StoredFinding:
    return StoredFinding(row.audit_id, row.model_id, row.name, row.created_at, Finding.from_json(row.body))


def get_finding(session: Connection, text: str, *, audit: str | None = None) -> tuple[str, Finding]:
    """(audit id, finding) for an id, an unambiguous prefix, or AUDIT/FINDING where audits share the finding.

    Raises:
        NotFoundError, AmbiguousError: none, or several.
    """
    if audit is None and "/" in text:
        audit, text = text.split("/", 1)
    found = schema.finding.c
    query = select(found.audit_id, found.id, found.body).where(found.id.startswith(text, autoescape=True))
    if audit is not None:
        query = query.where(found.audit_id == resolve_audit(session, audit))
    exact_first = (found.id != text, found.id, found.audit_id)
    rows = session.execute(query.order_by(*exact_first).limit(_SHOWN)).all() if text else []
    if any(row.id == text for row in rows):
        rows = [row for row in rows if row.id == text]
    ids = [row.id for row in rows]
    named = {row.id if ids.count(row.id) == 1 else f"{row.audit_id}/{row.id}": row for row in rows}
    chosen = named[only_match(text, list(named), what="finding", list_command=_LIST_COMMAND)]
    return chosen.audit_id, Finding.from_json(chosen.body)
