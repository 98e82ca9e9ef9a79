"""What the cells are doing and have done, as numbers for a monitor: no query reads a finding or a blob."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, func, literal, select

from auditor.records import CellState
from auditor.store.audits import count_audits
from auditor.store.cells import LIVE, has_expired
from auditor.store.clock import database_now
from auditor.store.schema import audit, cell

SETTLED_SECONDS: Final = 10.0
"""A cell's end is written with the time of its transaction and seen after the commit, which was seen to take 1.8 s."""

FIRST_SPAN: Final = timedelta(days=1)
"""How far a first reading goes back; 200,000 cells take a second."""


@dataclass(frozen=True, slots=True)
class Queue:
    """What is to be done at one moment. Ages are in seconds; 0 where there is nothing."""

    audits: Mapping[str, int]  # by state
    cells: Mapping[str, int]  # of live audits, by state, those that are done left out
    oldest_ready: float  # since a ready cell was last handed over to the broker
    expired_leases: int  # running cells whose worker was not seen in time
    failed_cells: int  # of all audits


@dataclass(frozen=True, slots=True)
class Ended:
    """The cells of one stage that ended in a state in some span of time, with seconds of waiting and of computing.

    ``at_most`` counts, for each bound that was asked for, those that took no longer.
    """

    stage: str
    state: str
    number: int
    repeated: int  # attempts beyond the first: after an error, or a worker that was lost
    computing: float
    computing_at_most: tuple[int, ...]
    waiting: float
    waiting_at_most: tuple[int, ...]


def queue(session: Connection) -> Queue:
    """The state of the queue now."""
    now = database_now(session)
    by_state = (
        select(cell.c.state, func.count())
        .join_from(cell, audit)
        .where(cell.c.state != CellState.DONE, audit.c.state.in_(LIVE))
        .group_by(cell.c.state)
    )
    oldest = (
        select(func.min(cell.c.dispatched_at))
        .join_from(cell, audit)
        .where(cell.c.state == CellState.READY, audit.c.state.in_(LIVE))
    )
    expired = select(func.count()).where(has_expired(now))
    failed = select(func.count()).where(cell.c.state == CellState.FAILED)
    since = session.execute(oldest).scalar_one()
    return Queue(
        audits={str(state): number for state, number in count_audits(session).items()},
        cells={str(state): number for state, number in session.execute(by_state)},
        oldest_ready=0.0 if since is None else max(0.0, (now - since).total_seconds()),
        expired_leases=session.execute(expired).scalar_one(),
        failed_cells=session.execute(failed).scalar_one(),
    )


def ended_cells(
    session: Connection, bounds: Sequence[float], *, after: datetime | None
) -> tuple[datetime, tuple[Ended, ...]]:
    """The cells that ended after a moment, and the moment to ask for next: nothing is left out and nothing twice.

    Without a moment these are the cells of the last day.
    """
    until = database_now(session) - timedelta(seconds=SETTLED_SECONDS)
    span = (cell.c.finished_at <= until) & (cell.c.finished_at > (after or until - FIRST_SPAN))
    times = (
        select(
            cell.c.stage,
            cell.c.state,
            (cell.c.attempt - 1).label("repeated"),
            _seconds(session, cell.c.finished_at, cell.c.started_at).label("computing"),
            _seconds(session, cell.c.started_at, cell.c.dispatched_at).label("waiting"),
        )
        .where(span, cell.c.started_at.is_not(None))
        .cte("times")
        .prefix_with("MATERIALIZED")  # else SQLite computes each time again for each bound
    )
    query = select(
        times.c.stage,
        times.c.state,
        func.count(),
        func.sum(times.c.repeated),
        func.sum(times.c.computing),
        *(_at_most(times.c.computing, bound) for bound in bounds),
        func.sum(times.c.waiting),
        *(_at_most(times.c.waiting, bound) for bound in bounds),
    ).group_by(times.c.stage, times.c.state)
    places = len(bounds)
    found = [
        Ended(
            stage=row[0],
            state=row[1],
            number=row[2],
            repeated=max(0, int(row[3] or 0)),
            computing=float(row[4] or 0),
            computing_at_most=tuple(map(int, row[5 : 5 + places])),
            waiting=float(row[5 + places] or 0),
            waiting_at_most=tuple(map(int, row[6 + places :])),
        )
        for row in session.execute(query)
    ]
    return until, tuple(found)


def _at_most(seconds: ColumnElement[Any], bound: float) -> ColumnElement[int]:
    return func.sum(case((seconds <= bound, 1), else_=0))


def _seconds(session: Connection, later: ColumnElement[Any], earlier: ColumnElement[Any]) -> ColumnElement[Any]:
    """The time between two columns, never negative; 0 where one of them is not set."""
    if session.dialect.name == "sqlite":
        between: ColumnElement[Any] = (func.julianday(later) - func.julianday(earlier)) * 86400.0
    else:
        between = func.extract("epoch", later - earlier)
    return case((between > 0, between), else_=literal(0.0))
