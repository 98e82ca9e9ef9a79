"""Findings across all audits: search them, and get one by its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from auditor.records import Finding
from auditor.store import schema
from auditor.store.audits import audits_of, resolve_audit
from auditor.store.filters import FindingFilter, FindingSort
from auditor.store.ids import begins, only_match
from auditor.store.paging import COUNTED, Page, SortKey, beyond, lost_place, one_more, page, unindexed

_LIST_COMMAND = "dyck-audit findings"

_LOOKED_AT = 200  # rows of a prefix: findings of several audits share ids

_EQUAL = ("method", "equivalence", "layer", "head", "verdict", "claim", "basis", "invariant", "resolved")
"""Conditions that a column of the same name meets by being equal."""

FEW_AUDITS = 200
"""Audits up to which their findings are read one audit after the other, not found in the index of all findings."""

LISTED_AUDITS = 20_000
"""Audits up to which their ids are sent, so that PostgreSQL knows how many they are. SQLite takes 32,766 values."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A part of a list in an order of its own, so that no key is NULL and an index has the order."""

    keys: tuple[SortKey, ...]
    condition: ColumnElement[bool] | None = None


_NEWEST = (
    SortKey(schema.finding.c.audit_created_at, is_descending=True),
    SortKey(schema.finding.c.audit_id),
    SortKey(schema.finding.c.position),
)
_EFFECT = schema.finding.c.effect

_RUNS: Mapping[str, tuple[_Run, ...]] = {
    FindingSort.CREATED: (_Run(_NEWEST),),
    FindingSort.EFFECT: (
        _Run((SortKey(_EFFECT, is_descending=True), *_NEWEST), _EFFECT.is_not(None)),
        _Run(_NEWEST, _EFFECT.is_(None)),
    ),
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
    rows: list[StoredFinding] = []
    most = one_more(wanted.limit)
    listed = _listed(session, wanted)
    for run, beginning in _runs(session, wanted):
        rows += _read(session, listed.where(*beginning), run.keys, None if most is None else most - len(rows))
        if len(rows) == most:
            break
    return page(rows, wanted.limit, lambda last: last.key)


def _runs(session: Connection, wanted: FindingFilter) -> Iterator[tuple[_Run, list[ColumnElement[bool]]]]:
    """The parts of the list that the page may have rows of, each with the conditions of where it begins."""
    runs = _RUNS[wanted.sort]
    parts = [(run, [] if run.condition is None else [run.condition]) for run in runs]
    if wanted.after is None:
        yield from parts
        return
    place = _place(session, wanted.after)
    current = 1 if len(runs) > 1 and place.effect is None else 0
    run, conditions = parts[current]
    values = [place._mapping[key.expression] for key in run.keys]
    yield run, [*conditions, beyond(run.keys, values)]
    yield from parts[current + 1 :]


def _read(
    session: Connection, listed: Select[str, str], keys: Sequence[SortKey], most: int | None
) -> Iterator[StoredFinding]:
    order = [key.ordered for key in keys]
    ids = listed.order_by(*order).limit(most).subquery()
    found, audit, model = schema.finding, schema.audit, schema.model
    query = (  # outer joins, because SQLite takes their tables in this order: the page first
        select(found.c.audit_id, audit.c.model_id, model.c.name, audit.c.created_at, found.c.body)
        .join_from(ids, found, (ids.c.audit_id == found.c.audit_id) & (ids.c.id == found.c.id), isouter=True)
        .join(audit, audit.c.id == found.c.audit_id, isouter=True)
        .join(model, isouter=True)
        .order_by(*order)
    )
    for row in session.execute(query):
        yield StoredFinding(row.audit_id, row.model_id, row.name, row.created_at, Finding.from_json(row.body))


def count_findings(session: Connection, wanted: FindingFilter, *, at_most: int = COUNTED) -> int:
    """How many findings meet every condition, whatever the page; no more than ``at_most`` are counted."""
    ids = _listed(session, wanted).limit(at_most).subquery()
    return session.execute(select(func.count()).select_from(ids)).scalar_one()


def _listed(session: Connection, wanted: FindingFilter) -> Select[str, str]:
    """The keys of the findings that meet every condition: by their audits where these are few, else by the index."""
    found = schema.finding.c
    query = select(found.audit_id, found.id).where(*_conditions(session, wanted))
    if wanted.audit is not None:
        query = query.where(found.audit_id == resolve_audit(session, wanted.audit))
    audits = audits_of(session, wanted)
    if audits is None:
        return query
    ids = session.execute(audits.limit(LISTED_AUDITS + 1)).scalars().all()
    if len(ids) <= FEW_AUDITS:
        return query.where(found.audit_id.in_(ids))
    return query.where(unindexed(session, found.audit_id).in_(ids if len(ids) <= LISTED_AUDITS else audits))


def _conditions(session: Connection, wanted: FindingFilter) -> Iterator[ColumnElement[bool]]:
    found = schema.finding.c
    for name in _EQUAL:
        if (value := getattr(wanted, name)) is not None:
            yield unindexed(session, found[name]) == value
    if wanted.since is not None:
        yield found.audit_created_at >= wanted.since
    if wanted.until is not None:
        yield found.audit_created_at < wanted.until
    if wanted.min_effect is not None:
        yield found.effect >= wanted.min_effect


def _place(session: Connection, text: str) -> Row[datetime, str, int, float | None]:
    audit_id, _, finding_id = text.partition("/")
    found = schema.finding.c
    query = select(found.audit_created_at, found.audit_id, found.position, found.effect)
    row = session.execute(query.where(found.audit_id == audit_id, found.id == finding_id)).one_or_none()
    if row is None:
        raise lost_place(text)
    return row


def get_finding(session: Connection, text: str, *, audit: str | None = None) -> tuple[str, Finding]:
    """(audit id, finding) for an id, an unambiguous prefix, or AUDIT/FINDING.

    Two runs of the same audit share the ids of their findings: the newest is meant where none is named.

    Raises:
        NotFoundError, AmbiguousError: none, or several.
    """
    if audit is None and "/" in text:
        audit, text = text.split("/", 1)
    found = schema.finding.c
    query = select(found.audit_id, found.id, found.body)
    if audit is not None:
        query = query.where(found.audit_id == resolve_audit(session, audit))
    newest = (found.id, found.audit_created_at.desc(), found.audit_id)
    rows = session.execute(query.where(found.id == text).order_by(*newest).limit(1)).all()
    if text and not rows:
        starting = query.where(begins(session, found.id, text))
        rows = session.execute(starting.order_by(*newest).limit(_LOOKED_AT)).all()
    named: dict[str, Row[Any]] = {}
    for row in rows:
        named.setdefault(row.id, row)
    chosen = named[only_match(text, list(named), what="finding", list_command=_LIST_COMMAND)]
    return chosen.audit_id, Finding.from_json(chosen.body)
