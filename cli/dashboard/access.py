"""Who may do what. Every route names the scope that it needs; a request has the scope of its token.

A server on the loopback address that requires no token gives every client of this machine all scopes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Depends, Request

from auditor.store.tokens import Scope
from cli.dashboard.refusal import Refusal

__all__ = ["PUBLIC", "Access", "Requires", "Scope", "access_of", "requires"]

AUTHENTICATE = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True, slots=True)
class Access:
    """What one request may do. ``scope`` is None without a token where one is needed."""

    scope: Scope | None
    by_session: bool = False  # the token came from a session's cookie

    def allows(self, wanted: Scope) -> bool:
        """Whether the scope covers what is wanted."""
        return self.scope is not None and self.scope.allows(wanted)


NO_ACCESS = Access(None)


@dataclass(frozen=True, slots=True)
class Requires:
    """The dependency of a route that names its scope; None: no token is needed."""

    scope: Scope | None

    def __call__(self, request: Request) -> None:
        """Let the request pass.

        Raises:
            Refusal: it has no token (401), or one of a smaller scope (403).
        """
        access = access_of(request)
        if self.scope is None or access.allows(self.scope):
            return
        if access.scope is None:
            raise no_token()
        raise Refusal(
            403,
            f"a token of scope {access.scope}",
            expected=f"scope {self.scope}",
            do=f"use a token made with `dyck-audit tokens create --scope {self.scope}`",
        )


def requires(scope: Scope) -> Any:
    """What a router or route lists among its ``dependencies``."""
    return Depends(Requires(scope))


PUBLIC: Any = Depends(Requires(None))
"""The same for what needs no token."""


def access_of(request: Request) -> Access:
    """What this request may do, as :class:`~cli.dashboard.admission.Admission` found it."""
    found: Access = getattr(request.state, "access", NO_ACCESS)
    return found


def no_token() -> Refusal:
    """The refusal of a request without a token."""
    return Refusal(
        401,
        "no access token",
        expected="a token of this server",
        do="sign in, or set DYCK_AUDIT_TOKEN for the command line; `dyck-audit tokens create` on the server makes one",
        headers=AUTHENTICATE,
    )
