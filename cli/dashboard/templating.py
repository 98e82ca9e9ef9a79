"""Templates to pages. Every value is made harmless and escaped, as on the page of a report, whose parts they share."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader

from auditor.report.engine import TEMPLATES, engine_for
from cli.dashboard.access import Scope, access_of
from cli.documents import moment
from cli.history import result
from cli.models import language, shape


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A template of ``templates/`` as a response. It is also given what this client may do."""
    access = access_of(request)
    values |= {"may_submit": access.allows(Scope.SUBMIT), "may_delete": access.allows(Scope.ADMIN)}
    values |= {"signed_in": access.by_session}
    return HTMLResponse(_engine().get_template(template).render(path=request.url.path, **values), status)


@functools.cache
def _engine() -> Environment:
    engine = engine_for(ChoiceLoader([PackageLoader("cli.dashboard"), TEMPLATES]))
    engine.filters |= {"moment": moment, "result": result, "shape": shape, "language": language}
    engine.globals |= {"address": address}
    return engine


def address(path: str, query: Mapping[str, object]) -> str:
    """A link with a query; what is empty is left out."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path
