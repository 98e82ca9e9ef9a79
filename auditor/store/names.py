"""The names that the store's rows carry: of methods, equivalences and plans, those of plug-ins since removed included.

Each name is found by one step through an index, whatever the number of rows between it and the next:

    n₀ = min(name),   nᵢ₊₁ = min(name > nᵢ)
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Column, Connection, func, select

from auditor.store.schema import audit, finding

COLUMNS: Mapping[str, Column[str]] = {
    "method": finding.c.method,
    "equivalence": finding.c.equivalence,
    "plan": audit.c.plan_name,
}
"""What has names, by the word of the filters."""


def is_used(session: Connection, what: str, name: str) -> bool:
    """Whether any row has this name."""
    column = COLUMNS[what]
    return session.execute(select(column).where(column == name).limit(1)).first() is not None


def used_names(session: Connection, what: str) -> tuple[str, ...]:
    """All names of a kind, in the order of the database."""
    column = COLUMNS[what]
    steps = select(func.min(column).label("name")).cte("steps", recursive=True)
    following = select(func.min(column)).where(column > steps.c.name).scalar_subquery()
    steps = steps.union_all(select(following).where(steps.c.name.is_not(None)))
    return tuple(session.execute(select(steps.c.name).where(steps.c.name.is_not(None))).scalars())
