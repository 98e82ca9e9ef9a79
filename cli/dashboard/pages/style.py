"""The style of reports, which the pages share; what only pages have is in ``static/dashboard.css``."""

from __future__ import annotations

from functools import cache
from importlib import resources

from fastapi import APIRouter, Response

from cli.dashboard.access import PUBLIC

router = APIRouter(dependencies=[PUBLIC], include_in_schema=False)


@router.get("/style.css")
def style() -> Response:
    """The stylesheet of reports."""
    return Response(_style(), media_type="text/css")


@cache
def _style() -> str:
    return resources.files("auditor.report").joinpath("templates", "style.css").read_text("utf-8")
