"""The form of a filter: its fields with the values that the URL gives, and the links to the pages of the list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request

from auditor.errors import FilterError
from auditor.records import AuditState, Basis, Verdict
from auditor.store.filters import AuditFilter, AuditSort, ClaimKind, Filter, FindingFilter, FindingSort
from auditor.store.paging import COUNTED, Page
from auditor.store.session import Session
from cli.dashboard.api.parameters import wanted_rows
from cli.dashboard.services import Services

F = TypeVar("F", bound=Filter)
Row = TypeVar("Row")

YES_NO = ("true", "false")


@dataclass(frozen=True, slots=True)
class Field:
    """One condition: a choice among words, or a text."""

    name: str
    label: str
    value: str
    choices: tuple[str, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """Some rows of a list with all that its page shows around them."""

    fields: tuple[Field, ...]
    rows: tuple[Any, ...]
    query: dict[str, str]  # conditions and order, without the place in the list
    after: str | None  # where the next page begins; None: there is none
    is_first: bool
    count: str  # in words
    problem: str = ""  # why the URL is no filter

    @property
    def status(self) -> int:
        """Of the response."""
        return 422 if self.problem else 200


AUDITS = (
    ("model", "Model", (), "name or start of an id"),
    ("state", "State", tuple(AuditState), ""),
    ("plan", "Plan", (), "quick, standard …"),
    ("verdict", "Has a finding", tuple(Verdict), ""),
    ("function", "Function", (), "label, or a model of it"),
    ("since", "Since", (), "2026-01-31 or 7d"),
    ("until", "Until", (), "2026-01-31 or 7d"),
    ("sort", "Order", tuple(AuditSort), ""),
    ("limit", "Rows", (), "50"),
)
FINDINGS = (
    ("audit", "Audit", (), "id or latest"),
    ("model", "Model", (), "name or start of an id"),
    ("verdict", "Verdict", tuple(Verdict), ""),
    ("method", "Method", (), "ablation_head_zero"),
    ("equivalence", "Equivalence", (), "exact_value_bias_shift"),
    ("function", "Function", (), "label, or a model of it"),
    ("claim", "Kind of claim", tuple(ClaimKind), ""),
    ("layer", "Layer", (), ""),
    ("head", "Head", (), ""),
    ("basis", "Rests on", tuple(Basis), ""),
    ("invariant", "Invariant", YES_NO, ""),
    ("resolved", "Resolved", YES_NO, ""),
    ("min_effect", "Effect at least", (), "0.1"),
    ("since", "Since", (), "2026-01-31 or 7d"),
    ("until", "Until", (), "2026-01-31 or 7d"),
    ("sort", "Order", tuple(FindingSort), ""),
    ("limit", "Rows", (), "50"),
)


def listed(
    request: Request,
    session: Session,
    services: Services,
    kind: type[F],
    rows: Callable[[Session, F], Page[Row]],
    count: Callable[[Session, F], int],
) -> Listed:
    """The rows that the URL asks for; a URL that is no filter gives none, and the reason."""
    given = {name: value for name, value in request.query_params.items() if value}
    query = {name: value for name, value in given.items() if name != "after"}
    fields = _fields(kind, given)
    try:
        wanted = wanted_rows(request, session, services.models, kind)
        found = rows(session, wanted)
        number = count(session, wanted)
    except FilterError as error:
        return Listed(fields, (), {}, None, is_first=True, count="", problem=str(error))
    return Listed(fields, tuple(found.rows), query, found.next, wanted.after is None, _counted(number))


def _counted(number: int) -> str:
    return f"{COUNTED:,} or more" if number >= COUNTED else f"{number:,}"


def _fields(kind: type[Filter], given: dict[str, str]) -> tuple[Field, ...]:
    known: Sequence[tuple[str, str, tuple[str, ...], str]] = AUDITS if kind is AuditFilter else FINDINGS
    assert kind in (AuditFilter, FindingFilter)
    return tuple(
        Field(name, label, given.get(name, ""), tuple(str(one) for one in choices), hint)
        for name, label, choices, hint in known
    )
