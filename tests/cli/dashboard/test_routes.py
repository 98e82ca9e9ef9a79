"""Every route of the API and of the pages against every kind of token, from the routes that the application has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from auditor.store.tokens import Scope
from cli.dashboard import application
from cli.dashboard.application import STATIC, create_app, requirement_of
from tests.cli.dashboard.conftest import ADDRESS, NewApp, bearer

PUBLIC = None

SCOPES: Mapping[str, Scope | None] = {
    "GET /login": PUBLIC,
    "GET /style.css": PUBLIC,
    "POST /login": PUBLIC,
    "POST /logout": PUBLIC,
    "GET /api/v1": PUBLIC,
    "GET /api/v1/status": Scope.READ,
    "GET /api/v1/openapi.json": Scope.READ,
    "GET /api/v1/models": Scope.READ,
    "GET /api/v1/models/{model}": Scope.READ,
    "POST /api/v1/models": Scope.SUBMIT,
    "DELETE /api/v1/models/{model}": Scope.ADMIN,
    "GET /api/v1/audits": Scope.READ,
    "GET /api/v1/audits/{audit}": Scope.READ,
    "GET /api/v1/audits/{audit}/report": Scope.READ,
    "POST /api/v1/audits": Scope.SUBMIT,
    "POST /api/v1/audits/{audit}/cancel": Scope.SUBMIT,
    "POST /api/v1/audits/{audit}/retry": Scope.SUBMIT,
    "DELETE /api/v1/audits/{audit}": Scope.ADMIN,
    "GET /api/v1/findings": Scope.READ,
    "GET /api/v1/findings/{audit}/{finding}": Scope.READ,
    "GET /api/v1/diff": Scope.READ,
    "GET /api/v1/methods": Scope.READ,
    "GET /api/v1/equivalences": Scope.READ,
    "GET /api/v1/plans": Scope.READ,
}
"""Pages are not here: what they change needs at least to submit."""


def routes(app: FastAPI) -> Iterator[tuple[str, Scope | None]]:
    for route in iter_route_contexts(app.routes):
        if route.path != STATIC:
            for method in route.methods or ():
                yield f"{method} {route.path}", requirement_of(route).scope


def test_every_route_of_the_api_is_in_the_table(new_app: NewApp) -> None:
    found = dict(routes(new_app()))
    assert {name: scope for name, scope in found.items() if "/api/" in name or name in SCOPES} == SCOPES
    pages = {name: scope for name, scope in found.items() if name not in SCOPES}
    for name, scope in pages.items():
        assert scope is not None
        assert name.startswith("GET ") or scope.allows(Scope.SUBMIT), name


@pytest.mark.parametrize("given", [None, *Scope], ids=str)
def test_route_by_scope(new_app: NewApp, token: Callable[[Scope], str], given: Scope | None) -> None:
    app = new_app(requires_token=True)
    asked = TestClient(app, base_url=ADDRESS, follow_redirects=False)
    headers = {} if given is None else bearer(token(given))
    for name, needed in routes(app):
        method, path = name.split(" ")
        said = asked.request(method, path.replace("{", "no-").replace("}", ""), headers=headers)
        is_page = "/api/" not in path
        if needed is None or (given is not None and given.allows(needed)):
            assert said.status_code not in (401, 403), name
        elif given is not None:
            assert said.status_code == 403, name
        elif is_page and method == "GET":
            assert said.headers["Location"].startswith("/login?next="), name
        else:
            assert said.status_code == 401, name
        if not is_page and said.status_code >= 400:
            assert set(said.json()) == {"found", "expected", "do"}, name


def test_a_route_that_names_no_scope_is_refused_at_the_start(new_app: NewApp, monkeypatch: pytest.MonkeyPatch) -> None:
    router = APIRouter()
    router.get("/api/v1/open")(lambda: {})
    monkeypatch.setattr(application, "API", (router,))
    with pytest.raises(TypeError, match=r"/api/v1/open: list one of requires"):
        new_app()
    assert create_app is application.create_app
