"""Which program this is, how it is, and the description of the API."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from auditor.store.audits import count_audits
from auditor.store.models import count_models
from cli.api_documents import API_VERSION, PREFIX, PROGRAM, About, Status
from cli.dashboard.access import PUBLIC, Scope, access_of, requires
from cli.dashboard.services import Own, Reading

router = APIRouter(prefix=PREFIX, tags=["server"])


@router.get("", dependencies=[PUBLIC])
def about() -> About:
    """Which program answers here; no token is needed."""
    return About(PROGRAM, API_VERSION)


@router.get("/status", dependencies=[requires(Scope.READ)])
def status(request: Request, services: Own, session: Reading) -> Status:
    """What the server holds, and which workers compute."""
    return Status(
        version=version(PROGRAM),
        scope=str(access_of(request).scope),
        models=count_models(session),
        audits={str(state): count for state, count in count_audits(session).items()},
        computed_by=services.computing.by,
        problem=services.hidden(services.computing.problem),
    )


@router.get("/openapi.json", dependencies=[requires(Scope.READ)], include_in_schema=False)
def description(request: Request) -> JSONResponse:
    """The API as OpenAPI describes it."""
    described: dict[str, Any] = request.app.openapi()
    return JSONResponse(described)
