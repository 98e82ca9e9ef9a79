"""Write the rows, commit, then send: a message never names a row that another process cannot see yet.

What needs torch is imported where it is used: sending an audit again needs none of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.errors import BrokerError
from auditor.records import AuditState, Priority
from auditor.store import (
    LIVE,
    NOT_CANCELLED,
    Database,
    StoredAudit,
    StoredModel,
    add_model,
    create_audit,
    find_existing_audit,
    get_audit,
    get_model,
    raise_priority,
    retry_audit,
)
from workers.app import create_app
from workers.broker import check_broker_url
from workers.scheduling import dispatch

if TYPE_CHECKING:
    from auditor.canonical.model import CanonicalTransformer
    from auditor.plans.plan import Plan


@dataclass(frozen=True, slots=True)
class Submission:
    """An audit, and whether this call created it, or queued what had failed of it again."""

    audit: StoredAudit
    is_new: bool
    is_retried: bool = False


def submit_model(
    database: Database,
    model: CanonicalTransformer,
    *,
    name: str,
    format: str,  # noqa: A002 - the word of the report schema
    source_sha256: str,
) -> StoredModel:
    """Store a model; the same weights, architecture and task again are the model that is there.

    Raises:
        CheckpointError: a weight is not finite, or the outputs overflow on the strings of the fingerprint.
    """
    from auditor.canonical.serialisation import weights_bytes
    from auditor.fingerprint.function import function_fingerprint

    weights, fingerprint = weights_bytes(model), function_fingerprint(model)  # before the transaction
    with database.transaction() as session:
        return add_model(
            session,
            name=name,
            format=format,
            source_sha256=source_sha256,
            architecture=model.architecture.to_json(),
            task=model.task.to_json(),
            weights=weights,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            function_fingerprint=fingerprint,
        )


def submit_audit(
    database: Database,
    model_id: str,
    plan: Plan,
    *,
    seed: int = 0,
    broker_url: str | None = None,
    label: str | None = None,
    reuse: bool = False,
    resume: bool = False,
    priority: Priority = Priority.INTERACTIVE,
) -> Submission:
    """Store an audit with its cells and send those that are ready. Without a broker URL nothing is sent.

    ``reuse`` gives an audit of the same model, plan (with its strings), seed and versions, where there is one that was
    not cancelled; its ready cells are sent again, so that an interrupted batch goes on, and what failed is tried again.
    ``resume`` does so only for an audit that is queued or running.

    Raises:
        NotFoundError, AmbiguousError: the model is none, or several.
        BrokerError: not a broker URL, and nothing is stored; or the audit is stored but nothing was sent, and the
            message has the command to type.
    """
    from auditor.canonical.architecture import Architecture
    from auditor.plans.cells import planned_cells
    from auditor.provenance import plugins_of, versions

    if broker_url is not None:
        check_broker_url(broker_url)
    document = plan.to_json()
    with database.transaction() as session:
        model = get_model(session, model_id)
        found_versions = versions(plugins_of(plan, model.format))
        found, is_retried = None, False
        if reuse or resume:
            found = find_existing_audit(
                session,
                model_id=model.id,
                plan=document,
                seed=seed,
                versions=found_versions,
                states=NOT_CANCELLED if reuse else LIVE,
            )
        if found is None:
            cells = planned_cells(plan, Architecture.from_json(model.architecture))
            audit = create_audit(
                session,
                model_id=model.id,
                plan=document,
                plan_name=plan.name,
                seed=seed,
                cells=cells,
                versions=found_versions,
                label=label,
                strings=None if plan.strings is None else plan.strings.data,
                priority=priority,
            )
        elif found.state in (AuditState.INCOMPLETE, AuditState.FAILED):
            retry_audit(session, found.id)
            audit, is_retried = get_audit(session, found.id), True
        else:
            audit = found
        raise_priority(session, audit.id, priority)
    if broker_url is not None:
        send_audit(database, audit.id, broker_url)
    return Submission(audit, is_new=found is None, is_retried=is_retried)


def send_audit(database: Database, audit_id: str, broker_url: str) -> int:
    """Send the ready cells of an audit; how many.

    Raises:
        BrokerError: the broker does not take them. The audit stays queued in the database; any worker finds it there.
    """
    try:
        return dispatch(database, create_app(broker_url), audit_id)
    except BrokerError as error:
        raise BrokerError(
            f"audit {audit_id} is stored, but {error.found}",
            expected=error.expected,
            action="start the broker and `dyck-audit worker`, which picks it up; "
            f"or leave out --broker-url and type `dyck-audit watch {audit_id}`",
        ) from error
