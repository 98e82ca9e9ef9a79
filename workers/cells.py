"""One cell of an audit, from claim to result, so that doing it twice or dying half-way changes nothing.

    claim (short transaction) → compute (no transaction, lease kept alive) → results and end (one transaction, fenced)

No Celery here: the same function runs in a worker's task and in a test.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from auditor import pipeline
from auditor.canonical.serialisation import weights_bytes
from auditor.contracts import Progress
from auditor.errors import AuditorError, StoreError
from auditor.plans.plan import Plan
from auditor.records import ORIGINAL, RERUN, CellState, Stage, VariantState
from auditor.store import (
    ClaimedCell,
    Database,
    LostLeaseError,
    Session,
    StoredModel,
    claim_cell,
    fail_cell,
    finish_cell,
    get_model,
    load_variant,
    save_behaviour,
    save_interpretation,
    save_report,
    save_variant,
    skip_dependents,
)
from auditor.store.dispatch import CellId
from auditor.urls import without_passwords
from workers.conclusion import load_results, report_headers
from workers.heartbeat import LEASE_SECONDS, Heartbeat
from workers.stored_models import ARCHITECTURE, original_model, variant_model

_log = logging.getLogger(__name__)

Save = Callable[[Session], None]
"""Writes what a cell computed, inside the transaction that ends it."""

Compute = Callable[[Database, ClaimedCell, StoredModel, Progress], Save]


def execute(database: Database, audit_id: str, key: str, *, owner: str) -> list[CellId]:
    """Do a cell if it is still to be done; the cells that became ready, to be sent now.

    A message that came twice, too late, or for a cancelled audit does nothing. Whatever the computation raises is the
    caller's to record with :func:`record_failure`.
    """
    with database.transaction() as session:
        claimed = claim_cell(session, audit_id, key, owner=owner, lease_seconds=LEASE_SECONDS)
        if claimed is None:
            return []
        stored = get_model(session, claimed.model_id)
    started = time.monotonic()
    try:
        with Heartbeat(database, claimed) as heartbeat:
            save = _COMPUTE[claimed.cell.stage](database, claimed, stored, heartbeat.check)
        with database.transaction() as session:
            save(session)
            ready = finish_cell(session, audit_id, key, owner=owner)
    except LostLeaseError as lost:
        _log.info("%s", lost)
        return []
    _log.info("audit %s: %s done in %.1f s", audit_id, key, time.monotonic() - started)
    return [(audit_id, other) for other in ready]


def record_failure(
    database: Database, audit_id: str, key: str, *, owner: str, error: Exception, final: bool = False
) -> list[CellId]:
    """Note why a cell failed; the cell itself when it should be sent again.

    What dyck-audit refuses it will refuse again, so it is final at once; a full or locked database and anything
    unexpected may pass, so it is tried again until the attempts are used up.
    """
    refused = isinstance(error, AuditorError) and not isinstance(error, StoreError)
    _log.error("cell %s of audit %s: %s", key, audit_id, error, exc_info=error)
    try:
        with database.transaction() as session:
            state = fail_cell(session, audit_id, key, owner=owner, error=one_line(error), final=final or refused)
    except LostLeaseError as lost:
        _log.info("%s", lost)
        return []
    return [(audit_id, key)] if state is CellState.READY else []


def one_line(error: BaseException) -> str:
    """An error as one line without passwords: our own as they are, others with their kind."""
    text = without_passwords(" ".join(str(error).split()))
    if isinstance(error, AuditorError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _behaviour(database: Database, claimed: ClaimedCell, stored: StoredModel, _: Progress) -> Save:
    found = pipeline.evaluate(original_model(database, stored), Plan.from_json(claimed.plan), claimed.seed)
    return lambda session: save_behaviour(session, claimed.audit_id, found)


def _build(database: Database, claimed: ClaimedCell, stored: StoredModel, progress: Progress) -> Save:
    model, plan = original_model(database, stored), Plan.from_json(claimed.plan)
    built = pipeline.build(model, plan, claimed.seed, claimed.cell.variant, progress=progress)
    variant, weights = built.variant, None
    if built.model is not None:
        weights = weights_bytes(built.model)
        if built.model.architecture != model.architecture:
            variant = replace(
                variant, parameters={**variant.parameters, ARCHITECTURE: built.model.architecture.to_json()}
            )

    def save(session: Session) -> None:
        save_variant(session, claimed.audit_id, variant, weights)
        if variant.state is not VariantState.CERTIFIED:
            skip_dependents(session, claimed.audit_id, claimed.cell.key)

    return save


def _measure(database: Database, claimed: ClaimedCell, stored: StoredModel, _: Progress) -> Save:
    key, method = claimed.cell.variant, claimed.cell.method or ""
    if key in (ORIGINAL, RERUN):
        model = original_model(database, stored)
    else:
        with database.transaction(read_only=True) as session:
            variant = load_variant(session, claimed.audit_id, key)
        model = variant_model(database, stored, variant)
    found = pipeline.measure(model, Plan.from_json(claimed.plan), claimed.seed, method, variant=key)
    if isinstance(found, str):
        return lambda session: save_interpretation(
            session, claimed.audit_id, key, None, method=method, not_applicable=found
        )
    return lambda session: save_interpretation(session, claimed.audit_id, key, found)


def _conclude(database: Database, claimed: ClaimedCell, stored: StoredModel, _: Progress) -> Save:
    plan = Plan.from_json(claimed.plan)
    with database.transaction(read_only=True) as session:
        results = load_results(session, claimed.audit_id)
        audit, model = report_headers(session, claimed.audit_id, stored, plan)
    report = pipeline.conclude(audit, model, plan, claimed.seed, results)

    def save(session: Session) -> None:
        save_report(session, claimed.audit_id, report)

    return save


_COMPUTE: Mapping[Stage, Compute] = {
    Stage.BEHAVIOUR: _behaviour,
    Stage.BUILD: _build,
    Stage.MEASURE: _measure,
    Stage.CONCLUDE: _conclude,
}
