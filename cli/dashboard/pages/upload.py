"""Uploading a checkpoint: through the same reader as ``submit``, in the same process of its own."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from auditor.errors import AuditorError
from cli.dashboard.access import Scope, requires
from cli.dashboard.api.models import UPLOAD_BYTES, store_upload
from cli.dashboard.refusal import Refusal
from cli.dashboard.services import Own
from cli.dashboard.templating import page

router = APIRouter(dependencies=[requires(Scope.SUBMIT)], include_in_schema=False)

UPLOAD = "/upload"


@router.get(UPLOAD)
def upload_page(request: Request) -> HTMLResponse:
    """Ask for the files."""
    return page(request, "upload.html", problem=None)


@router.post(UPLOAD, max_body_size=UPLOAD_BYTES)
async def upload(request: Request, services: Own) -> Response:
    """Store the model and open its page, or say what was wrong with the files."""
    try:
        model, _ = await store_upload(request, services)
    except Refusal as refusal:
        problem = {"found": refusal.found, "expected": refusal.expected, "do": refusal.do}
        return page(request, "upload.html", refusal.status, problem=problem)
    except AuditorError as error:
        said = {"found": error.found, "expected": error.expected, "do": error.action}
        problem = {name: services.hidden(text) for name, text in said.items()}
        return page(request, "upload.html", 422, problem=problem)
    return RedirectResponse(f"/models/{model.id}", 303)
