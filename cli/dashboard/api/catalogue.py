"""What can be audited, under what, by which plan."""

from __future__ import annotations

from fastapi import APIRouter

from cli.api_documents import PREFIX, Listed
from cli.dashboard import model_work
from cli.dashboard.access import Scope, requires
from cli.dashboard.services import Own

router = APIRouter(prefix=PREFIX, tags=["catalogue"], dependencies=[requires(Scope.READ)])


@router.get("/methods")
def methods(services: Own) -> Listed:
    """The interpretation methods of this server."""
    return Listed(services.models.run(model_work.catalogue, "methods"))


@router.get("/equivalences")
def equivalences(services: Own) -> Listed:
    """The function-preserving changes of this server."""
    return Listed(services.models.run(model_work.catalogue, "equivalences"))


@router.get("/plans")
def plans(services: Own) -> Listed:
    """The plans by name, with all of their settings."""
    return Listed(services.models.run(model_work.plans))
