"""Findings across all audits: search them, and get one by its id."""

from __future__ import annotations

from itertools import islice

from sqlalchemy import Connection, select

from auditor.records import Basis, Finding, Verdict
from auditor.store import schema
from auditor.store.audits import is_model, resolve_audit
from auditor.store.ids import only_match

_LIST_COMMAND = "dyck-audit findings"

_SHOWN = 6


def list_findings(
    session: Connection,
    *,
    model: str | None = None,
    audit: str | None = None,
    method: str | None = None,
    equivalence: str | None = None,
    layer: int | None = None,
    head: int | None = None,
    verdict: Verdict | str | None = None,
    min_effect: float | None = None,
    claim: str | None = None,
    basis: Basis | str | None = None,
    invariant: bool | None = None,
    resolved: bool | None = None,
    limit: int | None = None,
) -> list[tuple[str, str, Finding]]:
    """(audit id, model name, finding) for each finding that meets every condition given.

    Newest audit first, then in the order of its report. ``model`` is a name or the start of an id; ``audit`` may be a
    prefix or "latest". A finding without an effect never passes ``min_effect``. ``claim`` is a kind of claim. A finding
    of which it is not known passes neither value of ``invariant`` or ``resolved``.

    Raises:
        NotFoundError, AmbiguousError: the audit named is none, or several.
    """
    found = schema.finding.c
    query = (
        select(found.audit_id, schema.model.c.name, found.body)
        .join_from(schema.finding, schema.audit)
        .join(schema.model)
        .order_by(schema.audit.c.created_at.desc(), schema.audit.c.id, found.position)
    )
    if model is not None:
        query = query.where(is_model(model))
    if audit is not None:
        query = query.where(found.audit_id == resolve_audit(session, audit))
    if verdict is not None:
        query = query.where(found.verdict == str(verdict))
    if min_effect is not None:
        query = query.where(found.effect >= min_effect)
    for name, wanted in (("method", method), ("equivalence", equivalence), ("layer", layer), ("head", head)):
        if wanted is not None:
            query = query.where(found[name] == wanted)
    if all(one is None for one in (claim, basis, invariant, resolved)):
        query = query.limit(limit)
    rows = (
        (row.audit_id, row.name, Finding.from_json(row.body))
        for row in session.execute(query)
        if claim in (None, row.body["claim"]["kind"])
    )
    wanted_facts = {"grounds": None if basis is None else Basis(basis), "invariant": invariant, "resolved": resolved}
    asked = {name: wanted for name, wanted in wanted_facts.items() if wanted is not None}
    met = (row for row in rows if all(getattr(row[2], name) is wanted for name, wanted in asked.items()))
    return list(islice(met, limit))


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
