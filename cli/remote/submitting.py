"""``submit --server``: checkpoints go to a server, which computes; their audits are followed from here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.errors import PlanError
from cli.api_documents import Listed, StartedAudit, UploadedModel
from cli.following import show_progress
from cli.progress import tracking
from cli.remote.connection import AwayError
from cli.remote.store import RemoteStore, as_answer
from cli.remote.uploading import plan_entries, strings_entries, upload_of

if TYPE_CHECKING:
    from auditor.store.audits import StoredAudit
    from auditor.store.lifecycle import Progress
    from cli.output import Output

FIRST_PAUSE_SECONDS = 0.3
LONGEST_PAUSE_SECONDS = 3.0
PATIENCE_SECONDS = 120.0
"""How long a server may be away while a command waits for its audits."""


@dataclass(frozen=True, slots=True)
class Request:
    """What ``submit`` was asked for."""

    checkpoints: Sequence[str]
    config: Path | None
    reference: Path | None
    name: str | None
    format_name: str
    entry: str | None
    plan: str
    strings: Path | None
    strings_format: str
    seed: int


def submit_remotely(store: RemoteStore, asked: Request, output: Output) -> list[StoredAudit]:
    """Upload the checkpoints, then start an audit of each.

    Raises:
        ServerError, CheckpointError, PlanError, LanguageError: one cannot be sent, or is refused.
    """
    audit = plan_entries(asked.plan) | strings_entries(asked.strings, asked.strings_format) | {"seed": asked.seed}
    if "settings" not in audit:
        _require_plan(store, asked.plan)
    uploads = [
        upload_of(
            text,
            config=asked.config,
            reference=asked.reference,
            name=asked.name,
            format_name=asked.format_name,
            entry=asked.entry,
        )
        for text in asked.checkpoints
    ]
    models = []
    for upload in uploads:
        with upload.opened() as files:
            answer = store.connection.ask("POST", "/models", files=files, data=upload.texts)
        stored = as_answer(UploadedModel, answer)
        for note in stored.notes:
            output.note(f"{stored.model.name}: {note}")
        if asked.name is not None and stored.model.name != asked.name:
            output.note(f"these weights are stored already and keep their name {stored.model.name}")
        models.append(stored.model)
    return [_start(store, audit | {"model": model.id}) for model in models]


def follow_remotely(store: RemoteStore, audit_ids: Sequence[str], output: Output) -> dict[str, Progress]:
    """Ask until every audit is over, showing how far each is; the last progress of each.

    Raises:
        ServerError: the server refuses, or is away for too long.
    """
    seen: dict[str, Progress] = {}
    announced: set[str] = set()
    pause = FIRST_PAUSE_SECONDS
    try:
        with tracking(output) as track:
            while True:
                for audit_id in audit_ids:
                    if audit_id not in seen or not seen[audit_id].is_over:
                        seen[audit_id] = _patiently(store, audit_id, output)
                show_progress(track, seen, announced)
                if all(found.is_over for found in seen.values()):
                    return seen
                time.sleep(pause)
                pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)
    except KeyboardInterrupt:
        output.note(f"interrupted; the server goes on: `dyck-audit watch {' '.join(audit_ids)}{store.option}`")
        raise


def tell_started(output: Output, store: RemoteStore, made: Sequence[StoredAudit], *, as_json: bool) -> None:
    """The new ids, and what to type."""
    if as_json:
        output.document({"audits": [{"id": one.id, "model": one.model_id, "state": str(one.state)} for one in made]})
        return
    for one in made:
        output.text(one.id)
        output.note(f"{one.model_name}, plan {one.plan_name}: {one.cells_total} cells queued")
    ids = " ".join(one.id for one in made)
    output.note(f"the server computes it; `dyck-audit watch {ids}{store.option}` shows the progress")


def _require_plan(store: RemoteStore, plan: str) -> None:
    """Refuse a plan that the server does not have before anything is sent."""
    known = [str(one.get("name")) for one in as_answer(Listed, store.connection.get("/plans")).entries]
    if plan not in known:
        raise PlanError(f"unknown plan {plan[:100]!r}", expected=f"{', '.join(known)} or a TOML file")


def _start(store: RemoteStore, wanted: Mapping[str, Any]) -> StoredAudit:
    return as_answer(StartedAudit, store.connection.ask("POST", "/audits", json=wanted)).audit


def _patiently(store: RemoteStore, audit_id: str, output: Output) -> Progress:
    """The progress of an audit, also where the server is started again meanwhile."""
    until, is_noted = time.monotonic() + PATIENCE_SECONDS, False
    while True:
        try:
            return store.progress(audit_id)
        except AwayError as away:
            if time.monotonic() > until:
                raise
            if not is_noted:
                output.note(f"{away.found}; still waiting, Ctrl-C stops only the waiting")
            is_noted = True
            time.sleep(LONGEST_PAUSE_SECONDS)
