"""``/metrics``: the numbers of this store for Prometheus, for who may read it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from cli.dashboard.access import Scope, requires
from cli.dashboard.services import Own
from workers.metrics import CONTENT_TYPE, Metrics

router = APIRouter(dependencies=[requires(Scope.READ)], include_in_schema=False)


@router.get("/metrics")
def metrics(request: Request, services: Own) -> PlainTextResponse:
    """All metrics; those of one application are counted on from the last reading."""
    kept: Metrics | None = getattr(request.app.state, "metrics", None)
    if kept is None:
        kept = request.app.state.metrics = Metrics(services.database, services.settings.home)
    return PlainTextResponse(kept.text(), media_type=CONTENT_TYPE)
