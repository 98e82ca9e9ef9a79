"""The application: protection, then admission, then errors, then pages, API and static files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.staticfiles import StaticFiles

from cli.api_documents import ErrorDocument
from cli.dashboard import errors, metrics
from cli.dashboard.access import Requires
from cli.dashboard.admission import Admission
from cli.dashboard.api import API
from cli.dashboard.pages import PAGES
from cli.dashboard.protection import Protection
from cli.dashboard.services import Services

STATIC: Final = "/static"


def create_app(services: Services) -> FastAPI:
    """The pages and the API over these services."""
    # FastAPI's own pages about the API load scripts from other hosts
    app = FastAPI(
        title="dyck-audit",
        version=version("dyck-audit"),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan,
        responses={"4XX": {"model": ErrorDocument}},
    )
    app.state.services = services
    app.add_middleware(Admission)
    app.add_middleware(Protection)  # added last: outermost
    errors.install(app)
    for router in (*PAGES, *API, metrics.router):
        app.include_router(router)
    app.state.body_bytes = {
        route.path: route.max_body_size
        for route in iter_route_contexts(app.routes)
        if requirement_of(route) and route.max_body_size is not None
    }
    app.mount(STATIC, StaticFiles(directory=str(resources.files("cli.dashboard").joinpath("static"))), name="static")
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    watch = asyncio.create_task(services.computing.watch())
    yield
    watch.cancel()
    services.models.close()  # a thread that waits for it would hold up the end


def requirement_of(route: RouteContext) -> Requires:
    """The scope that a route needs.

    Raises:
        TypeError: it does not say, so it is not known who may use it.
    """
    given = getattr(route, "dependant", None)
    found = [] if given is None else [one.call for one in given.dependencies if isinstance(one.call, Requires)]
    if len(found) != 1:
        raise TypeError(f"{route.path}: list one of requires(Scope.…) and PUBLIC among its dependencies")
    return found[0]
