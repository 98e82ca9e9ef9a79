"""The stored models, one of them, and starting an audit of it."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, cast

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from auditor.store.audits import list_audits
from auditor.store.filters import AuditFilter
from auditor.store.functions import list_functions
from auditor.store.models import get_model
from cli.dashboard.access import Scope, requires
from cli.dashboard.api.models import exact_model, model_remove, models_list
from cli.dashboard.model_work import Wanted, known_names, start_audit
from cli.dashboard.services import Own, Reading, Store
from cli.dashboard.templating import page

router = APIRouter(include_in_schema=False)

READ = [requires(Scope.READ)]
SHOWN = 50


@router.get("/models", dependencies=READ)
def models_page(
    request: Request,
    session: Reading,
    limit: Annotated[int, Query(ge=1, le=1_000)] = SHOWN,
    after: str | None = None,
) -> HTMLResponse:
    """The models, newest first, those of one function with one label."""
    found = models_list(session, limit, after or None)
    return page(request, "models.html", found=found, limit=limit, shown=SHOWN, is_first=not after)


@router.get("/models/{model}", dependencies=READ)
def model_page(request: Request, services: Own, session: Reading, model: str) -> Response:
    """One model, its audits, and a form that starts one; a name or a start of its id leads to its whole id."""
    found = get_model(session, model)
    if found.id != model:
        return RedirectResponse(f"/models/{found.id}", 303)
    function = list_functions(session)[found.id]
    return page(
        request,
        "model.html",
        model=found,
        function=function,
        same=[get_model(session, other) for other in function.shared_with[:SHOWN]],
        more_same=len(function.shared_with[SHOWN:]),
        audits=list_audits(session, AuditFilter(model=found.id, limit=SHOWN)),
        plans=plan_names(cast(Any, services.models)),
    )


@router.post("/models/{model}/audits", dependencies=[requires(Scope.SUBMIT)])
def start(
    services: Own,
    session: Reading,
    model: str,
    plan: Annotated[str, Form(max_length=200)] = "quick",
    seed: Annotated[int, Form(ge=0, le=2**31 - 1)] = 0,
    label: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Start an audit of the model and open its page."""
    wanted = Wanted(exact_model(session, model), plan, None, seed, label or None)
    services.computing.require_broker()
    audit, _ = services.models.run(start_audit, services.settings.database_url, services.computing.broker_url, wanted)
    return RedirectResponse(f"/audits/{audit.id}", 303)


@router.get("/models/{model}/delete", dependencies=[requires(Scope.ADMIN)])
def ask_to_delete(request: Request, session: Reading, model: str) -> HTMLResponse:
    """Say what would go, and ask."""
    found = get_model(session, exact_model(session, model))
    has_audits = bool(list_audits(session, AuditFilter(model=found.id, limit=1)).rows)
    return page(
        request,
        "delete.html",
        what=f"model {found.id} {found.name}",
        removed="its weights and the twins made of it",
        back=f"/models/{found.id}",
        choice="its audits too; without this, a model that has some is kept" if has_audits else "",
        is_live=False,
    )


@router.post("/models/{model}/delete", dependencies=[requires(Scope.ADMIN)])
def delete(database: Store, model: str, choice: Annotated[str, Form(max_length=10)] = "") -> Response:
    """Remove it, with its audits where that was chosen."""
    model_remove(database, model, with_audits=bool(choice))
    return RedirectResponse("/models", 303)


@cache
def plan_names(models: Any) -> tuple[str, ...]:
    """The plans by name; asked once of the process that knows them, a ``ModelProcess``."""
    names: tuple[str, ...] = models.run(known_names, "plan")
    return names
