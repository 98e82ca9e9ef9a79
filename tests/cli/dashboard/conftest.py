"""The web application over the prepared home, asked in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.datastructures import State
from starlette.types import ASGIApp

from auditor.settings import read_settings
from auditor.store.session import Database, open_database
from auditor.store.tokens import Scope, create_token
from cli.dashboard import application
from cli.dashboard.computing import Computing
from cli.dashboard.listening import listening, url_of
from cli.dashboard.model_process import SameProcess
from cli.dashboard.services import Services
from cli.dashboard.uploads import upload_folder
from tests.cli.conftest import Ids

ADDRESS = "http://127.0.0.1:8000"

NewApp = Callable[..., FastAPI]


@pytest.fixture
def database(home: Path, ids: Ids) -> Iterator[Database]:
    """The prepared database."""
    opened = open_database(f"sqlite:///{home / 'dyck-audit.sqlite3'}")
    yield opened
    opened.dispose()


_APPS: list[tuple[object, FastAPI]] = []


def _app_of(services: Services) -> FastAPI:
    """An application takes longer to build than to ask: the one of the same routes gets other services."""
    app = next((app for routers, app in _APPS if routers is application.API), None)
    if app is None:
        app = application.create_app(services)
        _APPS.append((application.API, app))
    app.state = State({"services": services, "body_bytes": dict(app.state.body_bytes)})
    return app


@pytest.fixture
def new_app(home: Path, database: Database) -> Iterator[NewApp]:
    """Makes the application with other services: ``new_app(requires_token=True)``. No worker runs."""
    settings = read_settings({}, home=home)
    with upload_folder(home) as uploads:

        def make(**changes: Any) -> FastAPI:
            given: dict[str, Any] = {"settings": settings, "database": database}
            given |= {"models": SameProcess(), "uploads": uploads, "computing": Computing(settings, wanted=False)}
            return _app_of(Services(**{**given, **changes}))

        yield make


@pytest.fixture
def client(new_app: NewApp) -> TestClient:
    """A program on this machine; no token is needed."""
    return TestClient(new_app(), base_url=ADDRESS)


@pytest.fixture
def guarded(new_app: NewApp) -> TestClient:
    """A program that has no token, at a server that requires one."""
    return TestClient(new_app(requires_token=True), base_url=ADDRESS, follow_redirects=False)


@pytest.fixture
def token(database: Database) -> Callable[[Scope], str]:
    """Makes a token of a scope."""

    def make(scope: Scope) -> str:
        with database.transaction() as session:
            return create_token(session, scope)[1]

    return make


def bearer(secret: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {secret}"}


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Answer on a free port for the length of the block; its address."""
    with listening("127.0.0.1", 0) as bound:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield url_of(bound)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def server_url(new_app: NewApp) -> Iterator[str]:
    """A server of the prepared home that requires no token."""
    with served(new_app()) as url:
        yield url
