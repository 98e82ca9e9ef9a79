"""What the concluding cell reads: the results of all the others, and the headers of the report."""

from __future__ import annotations

from auditor.errors import StoreError
from auditor.language.task import Task
from auditor.plans.plan import Plan
from auditor.provenance import audit_header, calibrated_for
from auditor.records import AuditHeader, Behaviour, LanguageMetrics, Missing, ModelHeader, Stage
from auditor.stages.attack import ATTACK
from auditor.stages.conclude import Results, statistics_of
from auditor.store import (
    REPORTED,
    RETRIED,
    Session,
    StoredAudit,
    StoredModel,
    get_audit,
    latest_calibration,
    load_behaviour,
    load_interpretations,
    load_missing,
    load_variants,
    resolve_audit,
)
from auditor.strings.parts import facts_of


def finished_audit(session: Session, text: str) -> StoredAudit:
    """The finished audit, with or without failures, that an id, the start of one, or ``latest`` names.

    Raises:
        StoreError: there is none, or it is not finished.
    """
    audit = get_audit(session, resolve_audit(session, text))
    if audit.state not in REPORTED:
        command = "retry" if audit.state in RETRIED else "watch"
        raise StoreError(
            f"audit {audit.id} is {audit.state}",
            expected="a finished audit",
            action=f"type `dyck-audit {command} {audit.id}`",
        )
    return audit


def load_results(session: Session, audit_id: str) -> Results:
    """All that an audit has computed, in the order of its plan, whatever the order it was computed in; no attacks.

    Raises:
        StoreError: the behaviour of the original is neither there nor missing because its cell failed.
    """
    behaviour, missing = load_behaviour(session, audit_id), load_missing(session, audit_id)
    if behaviour is None:
        behaviour = _unknown_behaviour(audit_id, missing)
    stored = load_interpretations(session, audit_id)
    planned = tuple(one for one in load_variants(session, audit_id) if not one.key.startswith(ATTACK))
    return Results(
        behaviour=behaviour,
        variants=planned,
        interpretations=stored.scores,
        not_applicable=stored.not_applicable,
        missing=missing,
    )


def _unknown_behaviour(audit_id: str, missing: tuple[Missing, ...]) -> Behaviour:
    why = next((one.why for one in missing if one.stage is Stage.BEHAVIOUR), None)
    if why is None:
        raise StoreError(f"audit {audit_id} has no behaviour", expected="a finished behaviour cell")
    nothing = LanguageMetrics(None, None, None, None, sequences=0, tokens=0, reason="its cell failed")
    return Behaviour(nothing, None, None, scored="", reason=f"behaviour is missing: {why}")


def report_headers(session: Session, audit_id: str, model: StoredModel, plan: Plan) -> tuple[AuditHeader, ModelHeader]:
    """The report's ``audit`` and ``model``. Times and state are set once more when it is stored."""
    audit = get_audit(session, audit_id)
    statistics = statistics_of(plan, audit.seed)
    header = audit_header(
        audit_id=audit.id,
        created_at=audit.created_at.isoformat(),
        plan=plan,
        seed=audit.seed,
        weights_sha256=model.weights_sha256,
        format_name=model.format,
        calibration=latest_calibration(
            session,
            calibrated_for(draws=statistics.draws, alpha=statistics.alpha, multiplicity=statistics.multiplicity),
        ),
        strings=None if plan.strings is None else facts_of(Task.from_json(model.task), plan.strings),
    )
    return header, ModelHeader(
        id=model.id,
        name=model.name,
        format=model.format,
        sha256=model.sha256,
        function_fingerprint=model.function_fingerprint,
        architecture=dict(model.architecture),
        task=dict(model.task),
    )
