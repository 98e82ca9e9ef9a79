"""What an audit lacks because cells failed."""

from __future__ import annotations

from sqlalchemy import Connection, select

from auditor.records import CellState, Missing, Stage
from auditor.store.interpretations import measured_methods
from auditor.store.schema import cell


def load_missing(session: Connection, audit_id: str) -> tuple[Missing, ...]:
    """The cells that failed, and those that need one that did, in the order of the plan.

    Of a cell that measures, the methods whose results are stored all the same are not missing.
    """
    lost = (cell.c.state == CellState.FAILED) | (cell.c.state == CellState.BLOCKED)
    query = select(cell).where(cell.c.audit_id == audit_id, lost).order_by(cell.c.position)
    found = []
    for row in session.execute(query).all():
        known = measured_methods(session, audit_id, row.variant) if row.methods else frozenset()
        methods = tuple(name for name in row.methods if name not in known)
        found.append(Missing(row.key, Stage(row.stage), row.variant, methods, row.error or "it failed"))
    return tuple(found)
