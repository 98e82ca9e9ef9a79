"""What the API answers, as values: the server writes them, and the command line reads them again."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

from auditor.records import Json
from auditor.store.audits import StoredAudit
from auditor.store.functions import Function
from auditor.store.models import StoredModel

PROGRAM = "dyck-audit"
API_VERSION = 1
PREFIX = f"/api/v{API_VERSION}"

UPLOAD_FILES = ("file", "config", "reference")
"""Parts of an upload: the checkpoint (each file of a folder), its description, numbers of its source."""

UPLOAD_TEXTS = ("name", "format", "entry", "folder")
"""Its other parts. ``folder`` is the name of the folder that the files are of."""

MOST_ROWS = 1_000
"""Of one page of a list."""


@dataclass(frozen=True, slots=True)
class About:
    """Which program answers here."""

    program: str
    api: int


@dataclass(frozen=True, slots=True)
class Status:
    """What the server holds, and which workers compute."""

    version: str
    scope: str  # of the token of this request
    models: int
    audits: dict[str, int]  # by state
    computed_by: str
    problem: str  # why nothing is computed now; empty where all is well


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """A refusal."""

    found: str
    expected: str
    do: str


@dataclass(frozen=True, slots=True)
class ListedModel(StoredModel):
    """A model, and which others compute its function."""

    function: str | None
    same_function_as: list[str]

    @classmethod
    def of(cls, model: StoredModel, function: Function) -> Self:
        """A stored model with its function."""
        known = {one.name: getattr(model, one.name) for one in fields(model)}
        return cls(**known, function=function.label, same_function_as=list(function.shared_with))


@dataclass(frozen=True, slots=True)
class ShownModel(ListedModel):
    """A model with the ids of its audits, newest first."""

    audits: list[str]


@dataclass(frozen=True, slots=True)
class ModelsPage:
    """Some models; ``next`` is the ``after`` of the page that follows."""

    models: list[ListedModel]
    next: str | None


@dataclass(frozen=True, slots=True)
class UploadedModel:
    """A stored model, and what of its file was not read."""

    model: StoredModel
    notes: list[str]


@dataclass(frozen=True, slots=True)
class AuditsPage:
    """Some audits; ``next`` is the ``after`` of the page that follows."""

    audits: list[StoredAudit]
    next: str | None


@dataclass(frozen=True, slots=True)
class StartedAudit:
    """An audit, and whether it is a new one."""

    audit: StoredAudit
    is_new: bool


@dataclass(frozen=True, slots=True)
class QueuedAgain:
    """An audit that goes on, and how many of its cells are ready."""

    audit: StoredAudit
    cells: int


@dataclass(frozen=True, slots=True)
class Removed:
    """What is gone."""

    id: str


@dataclass(frozen=True, slots=True)
class FindingsPage:
    """Some findings as in a report, with ``audit``, ``model`` (its name), ``model_id`` and ``audit_created_at``."""

    findings: list[dict[str, Json]]
    next: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A catalogue."""

    entries: list[dict[str, Any]]
