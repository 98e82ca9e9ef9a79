"""Stored models: list, show, upload, remove."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response

from auditor.checkpoints.intake.file_checks import MAX_CHECKPOINT_BYTES
from auditor.errors import NotFoundError
from auditor.store.audits import list_audits
from auditor.store.filters import AuditFilter
from auditor.store.functions import list_functions
from auditor.store.models import StoredModel, get_model, list_models
from auditor.store.paging import lost_place
from auditor.store.removal import remove_model
from auditor.store.session import Session
from cli.api_documents import (
    MOST_ROWS,
    PREFIX,
    UPLOAD_FILES,
    UPLOAD_TEXTS,
    ListedModel,
    ModelsPage,
    Removed,
    ShownModel,
    UploadedModel,
)
from cli.dashboard.access import Scope, requires
from cli.dashboard.model_work import Uploaded, store_model
from cli.dashboard.multipart import Form, plain_name
from cli.dashboard.refusal import Refusal
from cli.dashboard.services import Own, Reading, Services, Store
from cli.dashboard.uploads import arrived

router = APIRouter(prefix=f"{PREFIX}/models", tags=["models"])

UPLOAD_BYTES = MAX_CHECKPOINT_BYTES + 64 * 2**20
"""Of one upload: the largest checkpoint, its description and reference."""

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        **{name: {"type": "string", "format": "binary"} for name in UPLOAD_FILES if name != "file"},
                        **{name: {"type": "string"} for name in UPLOAD_TEXTS},
                    },
                }
            }
        },
    }
}


@router.get("", dependencies=[requires(Scope.READ)])
def models_list(
    session: Reading, limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 50, after: str | None = None
) -> ModelsPage:
    """The models, newest first."""
    found, computes = list_models(session), list_functions(session)
    place = 0
    if after is not None:
        place = next((number for number, one in enumerate(found, 1) if one.id == after), 0)
        if not place:
            raise lost_place(after)
    shown = found[place : place + limit]
    more = len(found) > place + limit
    return ModelsPage([ListedModel.of(one, computes[one.id]) for one in shown], shown[-1].id if more else None)


@router.get("/{model}", dependencies=[requires(Scope.READ)])
def model_show(session: Reading, model: str) -> ShownModel:
    """One model, by its id, the start of it, or its name."""
    found = get_model(session, model)
    audits = list_audits(session, AuditFilter(model=found.id, limit=None)).rows
    listed = ListedModel.of(found, list_functions(session)[found.id])
    known = {one.name: getattr(listed, one.name) for one in fields(listed)}
    return ShownModel(**known, audits=[audit.id for audit in audits])


@router.post(
    "", status_code=201, dependencies=[requires(Scope.SUBMIT)], openapi_extra=_FORM, max_body_size=UPLOAD_BYTES
)
async def model_upload(request: Request, response: Response, services: Own) -> UploadedModel:
    """Upload a checkpoint: one file, or the files of a folder, with what describes them."""
    found, notes = await store_upload(request, services)
    response.headers["Location"] = f"{PREFIX}/models/{found.id}"
    return UploadedModel(found, list(notes))


@router.delete("/{model}", dependencies=[requires(Scope.ADMIN)])
def model_remove(database: Store, model: str, with_audits: bool = False) -> Removed:
    """Remove a model, named by its whole id; with its audits only if asked."""
    with database.transaction() as session:
        return Removed(remove_model(session, exact_model(session, model), with_audits=with_audits).id)


async def store_upload(request: Request, services: Services) -> tuple[StoredModel, tuple[str, ...]]:
    """Receive a checkpoint, read it in the process for models, and store it; the file is gone afterwards.

    Raises:
        Refusal, AuditorError: it does not arrive, or cannot be used.
    """
    with services.uploads.place() as place:
        form = await arrived(request, place, texts=UPLOAD_TEXTS, files=UPLOAD_FILES)
        work = partial(services.models.run, store_model, services.settings.database_url, _uploaded(form, place))
        return await run_sync(work)


def _uploaded(form: Form, place: Path) -> Uploaded:
    """The files at the places where they describe each other, as beside each other on the user's disk."""
    files = form.files.get("file", [])
    if not files:
        raise Refusal(422, "no file in the form", expected="the checkpoint in the part named file")
    folder = form.texts.get("folder")
    checkpoint = files[0]
    if folder is not None or len(files) > 1:
        checkpoint = _folder(files[0].parent, folder or "checkpoint", place)
    one = {name: form.files.get(name, [None])[-1] for name in ("config", "reference")}
    texts = {name: text for name, text in form.texts.items() if text}
    return Uploaded(
        checkpoint=checkpoint,
        config=one["config"],
        reference=one["reference"],
        format_name=texts.get("format", "auto"),
        entry=texts.get("entry"),
        name=texts.get("name"),
    )


def _folder(files: Path, name: str, place: Path) -> Path:
    inside = place / "folder"
    inside.mkdir()
    return files.rename(inside / plain_name(name.encode()))


def exact_model(session: Session, model: str) -> str:
    """What removes something takes no names and no starts of ids."""
    if get_model(session, model).id != model:
        raise NotFoundError(f"no model has the id {model[:100]!r}", expected="a whole id")
    return model
