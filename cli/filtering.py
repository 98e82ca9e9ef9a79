"""Filters of the lists as every door reads them: the command line from options, the dashboard from a URL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from auditor.store.filters import Filter
    from auditor.store.paging import Page
    from auditor.store.session import Session
    from cli.output import Output

    F = TypeVar("F", bound=Filter)
    Row = TypeVar("Row")

PAGE_ROWS = 1_000
"""Rows that an export reads at a time."""

LISTED_BY = {
    "method": "list them with `dyck-audit methods`",
    "equivalence": "list them with `dyck-audit equivalences`",
    "plan": "see `dyck-audit history`",
}


def read_filter(
    session: Session,
    kind: type[F],
    given: Mapping[str, object],
    *,
    known: Callable[[str], Collection[str]] | None = None,
) -> F:
    """A filter from names and values; empty values are no condition.

    A method, an equivalence or a plan is refused only where neither the store nor this version has it: then a list
    without rows would mislead. ``known`` gives the names of this version, from where that is done.

    Raises:
        FilterError: an unknown name or a value that cannot be one; the message lists those near it.
    """
    from auditor.store.filters import unknown
    from auditor.store.names import is_used, used_names

    wanted = kind.read(given)
    for what, action in LISTED_BY.items():
        name = getattr(wanted, what, None)
        if name is None or is_used(session, what, name):
            continue
        if name not in (names := (known or _known_names)(what)):
            raise unknown(what, name, {*names, *used_names(session, what)}, action=action)
    return wanted


def pages_of(read: Callable[[F], Page[Row]], wanted: F, limit: int | None) -> Iterator[Page[Row]]:
    """The pages of a list in turn, until there are no more rows or ``limit`` of them."""
    left, after = limit, wanted.after
    while True:
        size = PAGE_ROWS if left is None else min(PAGE_ROWS, left)
        page = read(replace(wanted, limit=size, after=after))
        yield page
        left, after = None if left is None else left - len(page.rows), page.next
        if after is None or left == 0:
            return


def note_more(output: Output, shown: Page[Any], limit: int | None) -> None:
    """Say that there are more rows, and what to type for them."""
    if shown.next is not None:
        output.note(f"the first {limit} are shown; --limit N for more, --after {shown.next} for the next")


def _known_names(what: str) -> Collection[str]:
    """The names that this version has. Asked only where the store has none such: it imports every plug-in."""
    if what == "plan":
        from auditor.plans.plan import PLANS

        return PLANS
    from auditor import contracts

    return contracts.methods() if what == "method" else contracts.equivalences()
