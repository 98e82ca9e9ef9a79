"""The parameters of lists: read by the filters of the store, described for OpenAPI from the same fields."""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum
from typing import Any, TypeVar

from fastapi import Request

from auditor.records import AuditState, Basis, Verdict
from auditor.store.filters import AuditFilter, AuditSort, ClaimKind, Filter, FindingFilter, FindingSort
from auditor.store.session import Session
from cli.api_documents import MOST_ROWS
from cli.dashboard.model_process import ModelProcess
from cli.dashboard.model_work import known_names
from cli.filtering import read_filter

F = TypeVar("F", bound=Filter)

_WORDS: dict[tuple[type[Filter], str], type[StrEnum]] = {
    (AuditFilter, "state"): AuditState,
    (AuditFilter, "verdict"): Verdict,
    (AuditFilter, "sort"): AuditSort,
    (FindingFilter, "verdict"): Verdict,
    (FindingFilter, "claim"): ClaimKind,
    (FindingFilter, "basis"): Basis,
    (FindingFilter, "sort"): FindingSort,
}
_TYPES = {"int": "integer", "float": "number", "bool": "boolean"}


def wanted_rows(request: Request, session: Session, models: ModelProcess, kind: type[F]) -> F:
    """The filter that the query of a request asks for; a page has at most :data:`MOST_ROWS` rows.

    Raises:
        FilterError: an unknown name, or a value that cannot be one.
    """
    wanted = read_filter(session, kind, dict(request.query_params), known=lambda what: models.run(known_names, what))
    return wanted.at_most(MOST_ROWS)


def query_parameters(kind: type[Filter]) -> dict[str, Any]:
    """What OpenAPI says about them, for ``openapi_extra``."""
    return {"parameters": [_parameter(kind, one.name, str(one.type)) for one in fields(kind)]}


def _parameter(kind: type[Filter], name: str, annotation: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _TYPES.get(annotation.split(" ", maxsplit=1)[0], "string")}
    if (kind, name) in _WORDS:
        schema["enum"] = [str(word) for word in _WORDS[kind, name]]
    if name == "limit":
        schema |= {"minimum": 1, "maximum": MOST_ROWS}
    return {"name": name, "in": "query", "required": False, "schema": schema}
