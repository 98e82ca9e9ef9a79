"""Audits: list, show, report; start, cancel, retry, remove."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from auditor.errors import NotFoundError
from auditor.store.audits import get_audit, list_audits, resolve_audit
from auditor.store.filters import AuditFilter
from auditor.store.lifecycle import Progress, cancel_audit, progress, retry_audit
from auditor.store.removal import remove_audits
from auditor.store.reports import load_report
from auditor.store.session import Session
from cli.api_documents import PREFIX, AuditsPage, QueuedAgain, Removed, StartedAudit
from cli.dashboard.access import Scope, requires
from cli.dashboard.api.parameters import query_parameters, wanted_rows
from cli.dashboard.model_work import Wanted, start_audit
from cli.dashboard.multipart import plain_name
from cli.dashboard.report_response import report_response
from cli.dashboard.services import Own, Reading, Services, Store
from cli.report import Form

router = APIRouter(prefix=f"{PREFIX}/audits", tags=["audits"])

START_BYTES = 32_000_000
"""Of a request that starts an audit: a file of strings may have 20 MB."""


class StringsGiven(BaseModel):
    """A file of the user's own strings."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200)
    format: str = Field("auto", max_length=20)
    content: bytes  # in base64

    @field_validator("content", mode="before")
    @classmethod
    def _decoded(cls, given: object) -> bytes:
        try:
            return base64.b64decode(str(given), validate=True)
        except ValueError:
            raise ValueError("no base64") from None


class AuditWanted(BaseModel):
    """What to audit. ``settings`` are the entries of a plan file, whose name is then ``plan``."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(max_length=1_000)
    plan: str = Field("quick", min_length=1, max_length=200)
    settings: dict[str, bool | int | float | str | list[str]] | None = None
    seed: int = Field(0, ge=0, le=2**31 - 1)
    label: str | None = Field(None, max_length=1_000)
    strings: StringsGiven | None = None
    reuse: bool = False


@router.get("", dependencies=[requires(Scope.READ)], openapi_extra=query_parameters(AuditFilter))
def audits_list(request: Request, services: Own, session: Reading) -> AuditsPage:
    """The audits that meet every condition."""
    found = list_audits(session, wanted_rows(request, session, services.models, AuditFilter))
    return AuditsPage(list(found.rows), found.next)


@router.post("", status_code=201, dependencies=[requires(Scope.SUBMIT)], max_body_size=START_BYTES)
def audit_start(services: Own, response: Response, wanted: AuditWanted) -> StartedAudit:
    """Start an audit of a stored model."""
    services.computing.require_broker()
    with _strings_file(services, wanted.strings) as strings:
        given = Wanted(
            model=wanted.model,
            plan=wanted.plan,
            settings=wanted.settings,
            seed=wanted.seed,
            label=wanted.label,
            strings=strings,
            strings_format="auto" if wanted.strings is None else wanted.strings.format,
            reuse=wanted.reuse,
        )
        made = services.models.run(start_audit, services.settings.database_url, services.computing.broker_url, given)
    response.headers["Location"] = f"{PREFIX}/audits/{made[0].id}"
    return StartedAudit(*made)


@router.get("/{audit}", dependencies=[requires(Scope.READ)])
def audit_show(session: Reading, audit: str) -> Progress:
    """How far an audit is, by its id, the start of it, or `latest`."""
    return progress(session, resolve_audit(session, audit))


@router.get("/{audit}/report", dependencies=[requires(Scope.READ)], response_class=Response)
def audit_report(session: Reading, audit: str, format: Form = Form.JSON) -> Response:  # noqa: A002
    """The report of an audit that is done: a document (schema dyck-audit/report/1), a page, a text or a table."""
    return report_response(load_report(session, resolve_audit(session, audit)), format)


@router.post("/{audit}/cancel", dependencies=[requires(Scope.SUBMIT)])
def audit_cancel(database: Store, audit: str) -> Progress:
    """Stop an audit, named by its whole id; what it has computed is kept."""
    with database.transaction() as session:
        cancel_audit(session, exact_audit(session, audit))
        return progress(session, audit)


@router.post("/{audit}/retry", dependencies=[requires(Scope.SUBMIT)])
def audit_retry(services: Own, database: Store, audit: str) -> QueuedAgain:
    """Run again what failed or was cancelled of an audit, named by its whole id."""
    from workers.submission import send_audit

    services.computing.require_broker()
    with database.transaction() as session:
        cells = len(retry_audit(session, exact_audit(session, audit)))
    if services.computing.broker_url is not None:
        send_audit(database, audit, services.computing.broker_url)
    with database.transaction(read_only=True) as session:
        return QueuedAgain(get_audit(session, audit), cells)


@router.delete("/{audit}", dependencies=[requires(Scope.ADMIN)])
def audit_remove(database: Store, audit: str) -> Removed:
    """Remove an audit that is over, named by its whole id."""
    with database.transaction() as session:
        remove_audits(session, [exact_audit(session, audit)])
    return Removed(audit)


@contextmanager
def _strings_file(services: Services, given: StringsGiven | None) -> Iterator[Path | None]:
    if given is None:
        yield None
        return
    with services.uploads.place() as place:
        file = place / plain_name(given.name.encode("utf-8", "replace"))
        file.write_bytes(given.content)
        yield file


def exact_audit(session: Session, audit: str) -> str:
    """What changes something takes no `latest` and no starts of ids."""
    if resolve_audit(session, audit) != audit:
        raise NotFoundError(f"no audit has the id {audit[:100]!r}", expected="a whole id")
    return audit
