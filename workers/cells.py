"""One cell of an audit, from claim to result, so that doing it twice or dying half-way changes nothing.

    claim (short transaction) → compute (no transaction, lease kept alive) → results and end (one transaction, fenced)

No Celery here but for the error of its time limit: the same function runs in a worker's task and in a test.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from billiard.exceptions import SoftTimeLimitExceeded

from auditor.contracts import Progress
from auditor.errors import AuditorError, StoreError
from auditor.records import ORIGINAL, RERUN, Stage, VariantState, variant_of
from auditor.stages.conclude import conclude
from auditor.stages.evaluate import evaluate
from auditor.stages.measure import Failure, measure_group
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
    load_report,
    load_variant,
    measured_methods,
    save_behaviour,
    save_interpretation,
    save_report,
    skip_dependents,
)
from auditor.store.dispatch import CellId
from auditor.urls import without_passwords
from workers.building import build_variant, save_built
from workers.conclusion import load_results, report_headers
from workers.heartbeat import LEASE_SECONDS, Heartbeat
from workers.limits import explained
from workers.log_context import bind
from workers.stored_models import original_model, share_of, stored_plan, variant_model

_log = logging.getLogger(__name__)

FATAL = (LostLeaseError, SoftTimeLimitExceeded)
"""Errors that end a cell whichever of its methods was running."""


@dataclass(frozen=True)
class Outcome:
    """What a cell computed: ``save`` writes it in the transaction that ends the cell.

    A cell of several methods may have failed in part: what ``failures`` names is computed again, the rest is kept.
    """

    save: Callable[[Session], object]
    failures: Mapping[str, Exception] = field(default_factory=dict)


Compute = Callable[[Database, ClaimedCell, StoredModel, Progress], Outcome]


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
    bind(attempt=claimed.attempt)
    started = time.monotonic()
    try:
        with Heartbeat(database, claimed) as heartbeat:
            outcome = _COMPUTE[claimed.cell.stage](database, claimed, stored, heartbeat.check)
        ready = _end(database, claimed, outcome)
    except LostLeaseError as lost:
        _log.info("%s", lost)
        return []
    state = "failed in part" if outcome.failures else "done"
    _log.info("audit %s: %s %s in %.1f s", audit_id, key, state, time.monotonic() - started)
    return [(audit_id, other) for other in ready]


def _end(database: Database, claimed: ClaimedCell, outcome: Outcome) -> list[str]:
    """Store what a cell computed and end it, or send it again for what failed; the keys that are ready now."""
    audit_id, key, owner = claimed.audit_id, claimed.cell.key, claimed.owner
    failures = {name: explained(error) for name, error in outcome.failures.items()}
    for name, error in failures.items():
        _log.error("method %s in cell %s of audit %s: %s", name, key, audit_id, error, exc_info=error)
    with database.transaction() as session:
        outcome.save(session)
        if not failures:
            return finish_cell(session, audit_id, key, owner=owner)
        text = "; ".join(f"{name}: {one_line(error)}" for name, error in failures.items())
        final = all(_is_refused(error) for error in failures.values())
        return fail_cell(session, audit_id, key, owner=owner, error=text, final=final)


def record_failure(
    database: Database, audit_id: str, key: str, *, owner: str, error: Exception, final: bool = False
) -> list[CellId]:
    """Note why a cell failed; what is to be sent now: the cell for another attempt, or the conclusion.

    What dyck-audit refuses it will refuse again, so it is final at once; a full or locked database and anything
    unexpected may pass, so it is tried again until the attempts are used up.
    """
    error = explained(error)
    final = final or _is_refused(error)
    _log.error("cell %s of audit %s: %s", key, audit_id, error, exc_info=error)
    try:
        with database.transaction() as session:
            ready = fail_cell(session, audit_id, key, owner=owner, error=one_line(error), final=final)
    except LostLeaseError as lost:
        _log.info("%s", lost)
        return []
    return [(audit_id, other) for other in ready]


def one_line(error: BaseException) -> str:
    """An error as one line without passwords: our own as they are, others with their kind."""
    text = without_passwords(" ".join(str(error).split()))
    if isinstance(error, AuditorError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _is_refused(error: Exception) -> bool:
    return isinstance(error, AuditorError) and not isinstance(error, StoreError)


def _behaviour(database: Database, claimed: ClaimedCell, stored: StoredModel, _: Progress) -> Outcome:
    found = evaluate(original_model(database, stored), stored_plan(database, claimed.plan), claimed.seed)
    return Outcome(lambda session: save_behaviour(session, claimed.audit_id, found))


def _build(database: Database, claimed: ClaimedCell, stored: StoredModel, progress: Progress) -> Outcome:
    made = build_variant(database, claimed, stored, progress)

    def save(session: Session) -> None:
        save_built(session, claimed, made)
        if made.variant.state is not VariantState.CERTIFIED:
            skip_dependents(session, claimed.audit_id, claimed.cell.key)

    return Outcome(save)


def _measure(database: Database, claimed: ClaimedCell, stored: StoredModel, progress: Progress) -> Outcome:
    """The methods of the cell that an earlier attempt has not measured."""
    key, model = claimed.cell.variant, original_model(database, stored)
    with database.transaction(read_only=True) as session:
        known = measured_methods(session, claimed.audit_id, key)
        variant = None if key in (ORIGINAL, RERUN) else load_variant(session, claimed.audit_id, variant_of(key))
    if variant is not None:
        model = variant_model(database, stored, variant)
    names = [name for name in claimed.cell.methods if name not in known]
    plan = stored_plan(database, claimed.plan)
    found = measure_group(
        model,
        plan,
        claimed.seed,
        names,
        variant=key,
        made=variant,
        share=share_of(database, stored, plan, claimed.seed),
        progress=progress,
        fatal=FATAL,
    )

    def save(session: Session) -> None:
        for name, one in found.items():
            if not isinstance(one, Failure):
                save_interpretation(session, claimed.audit_id, key, name, one)

    failures = {name: one.error for name, one in found.items() if isinstance(one, Failure)}
    return Outcome(save, failures)


def _conclude(database: Database, claimed: ClaimedCell, stored: StoredModel, _: Progress) -> Outcome:
    plan = stored_plan(database, claimed.plan)
    with database.transaction(read_only=True) as session:
        results = load_results(session, claimed.audit_id)
        audit, model = report_headers(session, claimed.audit_id, stored, plan)
        if plan.continues is not None:
            results = replace(results, before=load_report(session, plan.continues).findings)
    report = conclude(audit, model, plan, claimed.seed, results)
    return Outcome(lambda session: save_report(session, claimed.audit_id, report))


_COMPUTE: Mapping[Stage, Compute] = {
    Stage.BEHAVIOUR: _behaviour,
    Stage.BUILD: _build,
    Stage.MEASURE: _measure,
    Stage.CONCLUDE: _conclude,
}
