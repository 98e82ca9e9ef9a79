"""Audits as rows: create one with its cells, find it again, list the history."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, func, insert, select, update

from auditor.errors import NotFoundError, StoreError
from auditor.fingerprint.sketch import label as function_label
from auditor.records import ALL_OTHERS, AuditState, Cell, CellState, Json, Priority, VerdictCounts
from auditor.store.blobs import STRINGS, put_blob
from auditor.store.clock import database_now
from auditor.store.digests import digest
from auditor.store.filters import AuditFilter, AuditSort, Filter
from auditor.store.functions import models_of_function
from auditor.store.ids import LATEST, new_id, resolve
from auditor.store.paging import COUNTED, Page, SortKey, beyond, lost_place, one_more, page, unindexed
from auditor.store.schema import audit, cell, model

_LIST_COMMAND = "dyck-audit history"

NOT_CANCELLED = tuple(state for state in AuditState if state is not AuditState.CANCELLED)

_NEWEST = SortKey(audit.c.created_at, is_descending=True)
_LAST_FINISHED = (
    SortKey(case((audit.c.finished_at.is_(None), 1), else_=0)),
    SortKey(func.coalesce(audit.c.finished_at, audit.c.created_at), is_descending=True),
)

_ORDERS: Mapping[str, tuple[SortKey, ...]] = {
    AuditSort.CREATED: (_NEWEST,),
    AuditSort.FINISHED: (*_LAST_FINISHED, _NEWEST),
    AuditSort.MODEL: (SortKey(model.c.name), _NEWEST),
    AuditSort.PLAN: (SortKey(audit.c.plan_name), _NEWEST),
    AuditSort.STATE: (SortKey(audit.c.state), _NEWEST),
}


_COLUMNS = (
    *(column for column in audit.c if column.name not in ("behaviour", "report", "request")),
    model.c.name.label("model_name"),
    model.c.function_fingerprint,
)


@dataclass(frozen=True, slots=True)
class StoredAudit:
    """One audit without its results."""

    id: str
    model_id: str
    model_name: str
    plan: Mapping[str, Json]
    plan_name: str
    seed: int
    state: AuditState
    cells_total: int
    cells_done: int
    cells_failed: int
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    headline: str | None
    verdicts: VerdictCounts | None  # how many findings have each; None before there is a report
    label: str | None
    function: str | None  # label of what its model computes: equal ones are one function; None: not known
    versions: Mapping[str, Json]


def create_audit(
    session: Connection,
    *,
    model_id: str,
    plan: Mapping[str, Json],
    plan_name: str,
    seed: int,
    cells: Sequence[Cell],
    versions: Mapping[str, Json],
    label: str | None = None,
    strings: bytes | None = None,
    priority: Priority = Priority.INTERACTIVE,
) -> StoredAudit:
    """Store a queued audit and its cells; those that need nothing are ready at once. Send them after the commit.

    ``strings`` is the user's file that the plan names by its SHA-256.
    """
    _require_sound(cells)
    now = database_now(session)
    audit_id = new_id("a")
    row = {
        "id": audit_id,
        "model_id": model_id,
        "request": _request(plan, seed, versions),
        "label": label,
        "plan": dict(plan),
        "plan_name": plan_name,
        "seed": seed,
        "strings_sha256": None if strings is None else put_blob(session, strings, STRINGS),
        "versions": dict(versions),
        "priority": priority,
        "state": AuditState.QUEUED,
        "cells_total": len(cells),
        "cells_done": 0,
        "cells_failed": 0,
        "created_at": now,
    }
    session.execute(insert(audit).values(row))
    session.execute(insert(cell), [_cell_row(audit_id, place, one, now) for place, one in enumerate(cells)])
    return get_audit(session, audit_id)


def find_existing_audit(
    session: Connection,
    *,
    model_id: str,
    plan: Mapping[str, Json],
    seed: int,
    versions: Mapping[str, Json],
    states: Collection[AuditState] = NOT_CANCELLED,
) -> StoredAudit | None:
    """The newest audit of the same request in one of these states; what makes a batch safe to run again.

    One in which something failed is found only where there is no other.
    """
    with_failures = audit.c.state.in_([AuditState.FAILED, AuditState.INCOMPLETE])
    query = (
        _query()
        .where(audit.c.model_id == model_id, audit.c.request == _request(plan, seed, versions))
        .where(audit.c.state.in_(states))
        .order_by(with_failures, audit.c.created_at.desc(), audit.c.id)
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    return None if row is None else _record(row)


def raise_priority(session: Connection, audit_id: str, priority: Priority) -> None:
    """Let an audit be computed as early as others of this priority, if it is not already."""
    slower = (audit.c.id == audit_id) & (audit.c.priority > priority)
    session.execute(update(audit).where(slower).values(priority=priority))


def resolve_audit(session: Connection, text: str) -> str:
    """The id of the audit meant by an id, an unambiguous prefix of one, or "latest".

    Raises:
        NotFoundError, AmbiguousError: none, or several.
    """
    if text == LATEST:
        newest = select(audit.c.id).order_by(audit.c.created_at.desc(), audit.c.id.desc()).limit(1)
        found = session.execute(newest).scalar_one_or_none()
        if found is None:
            raise NotFoundError("there is no audit yet", action="make one with `dyck-audit submit CHECKPOINT`")
        return found
    return resolve(session, text, id_column=audit.c.id, what="audit", list_command=_LIST_COMMAND)


def get_audit(session: Connection, text: str) -> StoredAudit:
    """The audit that an id, a prefix or "latest" means.

    Raises:
        NotFoundError, AmbiguousError: none, or several.
    """
    return _record(session.execute(_query().where(audit.c.id == resolve_audit(session, text))).one())


def list_audits(session: Connection, wanted: AuditFilter = AuditFilter()) -> Page[StoredAudit]:  # noqa: B008 - frozen
    """A page of the audits that meet every condition.

    Raises:
        FilterError: the function is none of the store's, or the page goes on after an audit that is not there.
    """
    keys = (*_ORDERS[wanted.sort], SortKey(audit.c.id))
    order = [key.ordered for key in keys]
    ids = _listed(session, wanted).order_by(*order)
    if wanted.after is not None:
        ids = ids.where(beyond(keys, _place(session, keys, wanted.after)))
    found = ids.limit(one_more(wanted.limit)).subquery()
    # outer joins, because SQLite takes their tables in this order: the page first
    query = select(*_COLUMNS).join_from(found, audit, found.c.id == audit.c.id, isouter=True).join(model, isouter=True)
    rows = session.execute(query.order_by(*order))
    return page([_record(row) for row in rows], wanted.limit, lambda last: last.id)


def count_matching_audits(session: Connection, wanted: AuditFilter, *, at_most: int = COUNTED) -> int:
    """How many audits meet every condition, whatever the page; no more than ``at_most`` are counted."""
    found = _listed(session, wanted).limit(at_most).subquery()
    return session.execute(select(func.count()).select_from(found)).scalar_one()


def _listed(session: Connection, wanted: AuditFilter) -> Select[Any]:
    """The ids of the audits that meet every condition, from the index that has nearly all they are about."""
    return select(audit.c.id).join_from(audit, model).where(*_conditions(session, wanted))


def _conditions(session: Connection, wanted: AuditFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.model is not None:
        yield is_model(wanted.model)
    if wanted.function is not None:
        yield unindexed(session, audit.c.model_id).in_(models_of_function(session, wanted.function))
    if wanted.state is not None:
        yield unindexed(session, audit.c.state) == wanted.state
    if wanted.plan is not None:
        yield audit.c.plan_name == wanted.plan
    if wanted.verdict is not None:
        yield audit.c[wanted.verdict] > 0
    if wanted.since is not None:
        yield audit.c.created_at >= wanted.since
    if wanted.until is not None:
        yield audit.c.created_at < wanted.until


def _place(session: Connection, keys: Sequence[SortKey], audit_id: str) -> Row[Any]:
    query = select(*(key.expression for key in keys)).join_from(audit, model).where(audit.c.id == audit_id)
    row = session.execute(query).one_or_none()
    if row is None:
        raise lost_place(audit_id)
    return row


def count_audits(session: Connection) -> Mapping[AuditState, int]:
    """How many audits are in each state; states without one are left out."""
    rows = session.execute(select(audit.c.state, func.count()).group_by(audit.c.state))
    return {AuditState(state): count for state, count in rows}


def is_model(text: str) -> ColumnElement[bool]:
    """The condition that a joined model has this name or an id that starts so."""
    return (model.c.name == text) | model.c.id.startswith(text, autoescape=True)


def audits_of(session: Connection, wanted: Filter) -> Select[Any] | None:
    """The ids of the audits of the model and the function wanted; None where neither is."""
    if wanted.model is None and wanted.function is None:
        return None
    query = select(audit.c.id).join_from(audit, model)
    if wanted.model is not None:
        query = query.where(is_model(wanted.model))
    if wanted.function is not None:
        query = query.where(audit.c.model_id.in_(models_of_function(session, wanted.function)))
    return query


def _query() -> Select[Any]:
    return select(*_COLUMNS).join_from(audit, model)


def _request(plan: Mapping[str, Json], seed: int, versions: Mapping[str, Json]) -> str:
    return digest({"plan": plan, "seed": seed, "versions": versions})


def _require_sound(cells: Sequence[Cell]) -> None:
    keys = {one.key for one in cells}
    if not cells or len(keys) != len(cells):
        raise StoreError(f"{len(cells)} cells with {len(keys)} keys", expected="at least one cell and no key twice")
    lost = [one.key for one in cells if one.needs not in (None, ALL_OTHERS) and one.needs not in keys]
    if lost:
        raise StoreError(
            f"cell {lost[0]!r} needs a cell that is not in the audit", expected="every need among the cells"
        )


def _cell_row(audit_id: str, position: int, one: Cell, now: datetime) -> dict[str, Any]:
    return {
        "audit_id": audit_id,
        "key": one.key,
        "position": position,
        "stage": str(one.stage),
        "needs": one.needs,
        "variant": one.variant,
        "methods": list(one.methods),
        "state": CellState.READY if one.needs is None else CellState.WAITING,
        "skipped": False,
        "attempt": 0,
        "dispatched_at": now if one.needs is None else None,
    }


def _record(row: Row[Any]) -> StoredAudit:
    return StoredAudit(
        id=row.id,
        model_id=row.model_id,
        model_name=row.model_name,
        plan=row.plan,
        plan_name=row.plan_name,
        seed=row.seed,
        state=AuditState(row.state),
        cells_total=row.cells_total,
        cells_done=row.cells_done,
        cells_failed=row.cells_failed,
        error=row.error,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        headline=row.headline,
        verdicts=None if row.stable is None else VerdictCounts(row.stable, row.unstable, row.inconclusive),
        label=row.label,
        function=None if row.function_fingerprint is None else function_label(row.function_fingerprint),
        versions=row.versions,
    )
