"""Templates to pages. Every value is escaped; ``|plain`` also takes out what moves a cursor or reorders text."""

from __future__ import annotations

import functools
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from auditor.report.wording import plain
from cli.dashboard.access import Scope, access_of
from cli.documents import moment
from cli.history import result

LONGEST = 2_000
"""Characters of one value on a page."""


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A template of ``templates/`` as a response. It is also given what this client may do."""
    access = access_of(request)
    values |= {"may_submit": access.allows(Scope.SUBMIT), "may_delete": access.allows(Scope.ADMIN)}
    values |= {"signed_in": access.by_session}
    return HTMLResponse(_engine().get_template(template).render(path=request.url.path, **values), status)


@functools.cache
def _engine() -> Environment:
    engine = Environment(
        loader=PackageLoader("cli.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters |= {"moment": moment, "plain": lambda value: plain(value, LONGEST), "result": result}
    return engine
