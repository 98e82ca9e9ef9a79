"""The application: protection, then errors, then pages, API and static files."""

from __future__ import annotations

from importlib import resources

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from cli.dashboard import errors
from cli.dashboard.pages import PAGES
from cli.dashboard.protection import Protection
from cli.dashboard.services import Services

STATIC = "/static"


def create_app(services: Services) -> FastAPI:
    """The pages and the API over these services."""
    # FastAPI's own pages about the API load scripts from other hosts
    app = FastAPI(title="dyck-audit", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.services = services
    app.add_middleware(Protection)
    errors.install(app)
    for router in PAGES:
        app.include_router(router)
    app.mount(STATIC, StaticFiles(directory=str(resources.files("cli.dashboard").joinpath("static"))), name="static")
    return app
