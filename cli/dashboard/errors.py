"""Every refusal and failure as a page, or as JSON {found, expected, do} under ``/api``."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from auditor.errors import (
    AmbiguousError,
    AuditorError,
    BrokerError,
    FilterError,
    NotFoundError,
    RevisionError,
    StoreError,
)
from auditor.store.columns import UnstorableValueError
from cli.dashboard.refusal import Refusal
from cli.dashboard.services import services_of
from cli.dashboard.templating import page

API = "/api/"
LOGIN = "/login"

STATUS: tuple[tuple[type[AuditorError], int], ...] = (
    (NotFoundError, 404),
    (AmbiguousError, 409),
    (UnstorableValueError, 422),
    (FilterError, 422),
    (RevisionError, 503),
    (BrokerError, 503),
    (StoreError, 409),
    (AuditorError, 422),
)
"""The first kind that fits gives the status."""

UNAVAILABLE = 503


def install(app: FastAPI) -> None:
    """Make the application answer errors so."""
    app.add_exception_handler(AuditorError, _said)
    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def error_response(
    request: Request, status: int, *, found: str, expected: str = "", do: str = "", headers: Any = None
) -> Response:
    """One error in the form that the client reads."""
    hidden = services_of(request).hidden
    said = {"found": hidden(found), "expected": hidden(expected), "do": hidden(do)}
    if request.url.path.startswith(API):
        return JSONResponse(said, status, headers)
    shown = page(request, "error.html", status, error_status=status, **said)
    shown.headers.update(headers or {})
    return shown


def refused(request: Request, refusal: Exception) -> Response:
    """A refusal; a person without a token is led to the page that asks for one."""
    if not isinstance(refusal, Refusal):
        raise refusal
    is_page = not request.url.path.startswith(API) and request.method == "GET"
    if refusal.status == 401 and "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": LOGIN})  # htmx opens that page
    if refusal.status == 401 and is_page:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{LOGIN}?next={quote(wanted, safe='/')}", 303)
    return error_response(
        request,
        refusal.status,
        found=refusal.found,
        expected=refusal.expected,
        do=refusal.do,
        headers=refusal.headers,
    )


def _said(request: Request, error: Exception) -> Response:
    if not isinstance(error, AuditorError):
        raise error
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    if isinstance(error.__cause__, SQLAlchemyError):  # the database is away, full or damaged: no fault of the request
        status = UNAVAILABLE
    return error_response(request, status, found=error.found, expected=error.expected, do=error.action)


def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return error_response(
        request, 422, found=f"{place}: {first['msg']}", expected="the parameters that the API describes"
    )


def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    found = "there is no such page" if error.status_code == 404 else error.detail
    return error_response(request, error.status_code, found=found, headers=error.headers)
