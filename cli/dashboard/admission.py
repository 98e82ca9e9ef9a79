"""Before any route: the right name, no other site, no token in the address, a bounded body, and whose request it is."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from anyio.to_thread import run_sync
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from auditor.errors import AuditorError
from auditor.store.clock import database_now
from auditor.store.tokens import StoredToken, is_use_worth_noting, live_token, live_token_by_id, note_use
from auditor.urls import has_token
from cli.dashboard.access import AUTHENTICATE, NO_ACCESS, Access, Scope, no_token
from cli.dashboard.errors import LOGIN, error_response, refused
from cli.dashboard.origins import SAFE_METHODS, check_host, check_origin
from cli.dashboard.refusal import Refusal
from cli.dashboard.services import Services, services_of

COOKIE: Final = "dyck_audit_session"
BEARER: Final = "bearer "
OPEN: Final = (LOGIN, "/logout")
"""Where a body is read without a token."""

BODY_BYTES: Final = 1_000_000
"""Of a request to a route without a ``max_body_size`` of its own."""


class Admission:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Let one request in, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            check_host(services_of(request).names, request.headers)
            if has_token(unquote(f"{request.url.path}?{request.url.query}")):
                raise _token_in_address()
            request.state.access = await run_sync(_access, request)
            check_origin(request.method, request.headers, by_session=access_by_session(request))
            if (
                request.method not in SAFE_METHODS
                and request.state.access == NO_ACCESS
                and request.url.path not in OPEN
            ):
                raise no_token()
            bounded = _bounded(receive, request)
        except Refusal as refusal:
            await refused(request, refusal)(scope, receive, send)
        except AuditorError as error:
            await error_response(request, 503, found=error.found, expected=error.expected, do=error.action)(
                scope, receive, send
            )
        else:
            await self._app(scope, bounded, send)


def _access(request: Request) -> Access:
    """What the request may do, by its token or its session's."""
    services = services_of(request)
    given, cookie = request.headers.get("authorization"), request.cookies.get(COOKIE)
    open_door = NO_ACCESS if services.requires_token else Access(Scope.ADMIN)
    if given is not None:
        if not given.lower().startswith(BEARER):
            raise Refusal(401, "an Authorization header of another kind", expected="Bearer", headers=AUTHENTICATE)
        return Access(check_token(services, request, given[len(BEARER) :].strip()).scope)
    token_id = None if cookie is None else services.sessions.token_id(cookie)
    if token_id is None:
        return open_door
    with services.database.transaction(read_only=True) as session:
        found = live_token_by_id(session, token_id)
    return open_door if found is None else Access(found.scope, by_session=True)


def check_token(services: Services, request: Request, secret: str) -> StoredToken:
    """The live token of this secret text; its use is noted.

    Raises:
        Refusal: there is no such token (401), or the address has given too many wrong ones (429).
    """
    address = request.client.host if request.client else ""
    if seconds := services.failures.wait_seconds(address):
        raise Refusal(
            429,
            "too many wrong tokens from this address",
            do=f"wait {seconds} s",
            headers={"Retry-After": str(seconds)},
        )
    with services.database.transaction(read_only=True) as session:
        found = live_token(session, secret)
        now = database_now(session)
    if found is None:
        services.failures.note(address)
        raise Refusal(
            401,
            "a token that this server does not know, or that has ended",
            expected="a live token",
            do="make one on the server with `dyck-audit tokens create`",
            headers=AUTHENTICATE,
        )
    if is_use_worth_noting(found, now):
        with services.database.transaction() as session:
            note_use(session, found.id)
    return found


def access_by_session(request: Request) -> bool:
    """Whether the request is allowed because of its cookie."""
    access: Access = request.state.access
    return access.by_session


def _bounded(receive: Receive, request: Request) -> Receive:
    """The body, up to the ``max_body_size`` of its route."""
    limit: int = request.app.state.body_bytes.get(request.url.path, BODY_BYTES)
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise Refusal(413, f"a body of {declared[:20]} bytes", expected=f"at most {limit:,}")
    left = limit

    async def received() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, f"a body of more than {limit:,} bytes")
        return message

    return received


def _token_in_address() -> Refusal:
    return Refusal(
        400,
        "an access token in the address, where logs and histories keep it",
        expected="the token in the Authorization header, or on the page /login",
        do="revoke that token with `dyck-audit tokens revoke`, and make another",
    )
