"""Signing in with a token, which becomes a session's cookie, and out again."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cli.dashboard.access import PUBLIC
from cli.dashboard.admission import COOKIE, check_token
from cli.dashboard.errors import LOGIN
from cli.dashboard.refusal import Refusal
from cli.dashboard.services import Own
from cli.dashboard.templating import page

router = APIRouter(dependencies=[PUBLIC], include_in_schema=False)

LOCAL: Final = re.compile(r"/(?![/\\])[^\\\x00-\x20]*")
"""A path of this server: what follows a sign-in never leads to another site."""


@router.get(LOGIN)
def login_page(request: Request, services: Own, next: str = "/") -> Response:  # noqa: A002 - as in the address
    """Ask for a token; where none is needed, say so."""
    return page(request, "login.html", next=_local(next), needed=services.requires_token, problem="")


@router.post(LOGIN)
def sign_in(
    request: Request,
    services: Own,
    token: Annotated[str, Form(max_length=200)],
    next: Annotated[str, Form(max_length=2_000)] = "/",  # noqa: A002
) -> Response:
    """Begin a session for a token."""
    try:
        found = check_token(services, request, token.strip())
    except Refusal as refusal:
        problem = ". ".join(part for part in (refusal.found, refusal.do) if part)
        needed = services.requires_token
        shown = page(request, "login.html", refusal.status, next=_local(next), needed=needed, problem=problem)
        shown.headers.update({name: text for name, text in refusal.headers.items() if name == "Retry-After"})
        return shown
    answer = RedirectResponse(_local(next), 303)
    answer.set_cookie(
        COOKIE, services.sessions.begin(found.id), httponly=True, samesite="strict", secure=_is_encrypted(request)
    )
    return answer


@router.post("/logout")
def sign_out(request: Request, services: Own) -> Response:
    """End the session."""
    services.sessions.end(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse(LOGIN, 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _local(path: str) -> str:
    return path if LOCAL.fullmatch(path) else "/"


def _is_encrypted(request: Request) -> bool:
    """Whether the browser speaks TLS, with this server or with a proxy before it."""
    schemes = (request.url.scheme, urlsplit(request.headers.get("origin", "")).scheme)
    return "https" in schemes
