"""From a read checkpoint to a stored and queued audit: what ``submit``, ``batch`` and ``demo`` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditor.checkpoints.intake.detection import Loaded
    from auditor.plans.plan import Plan
    from auditor.settings import Settings
    from auditor.store.session import Database
    from workers.submission import Submission


def require_broker(settings: Settings) -> None:
    """Refuse a broker that is down before anything is stored.

    Raises:
        BrokerError: it does not answer.
    """
    if settings.broker_url is not None:
        from workers.broker import ping_broker

        ping_broker(settings.broker_url)


def queue(
    database: Database,
    settings: Settings,
    loaded: Loaded,
    plan: Plan,
    *,
    seed: int,
    name: str | None = None,
    reuse: bool = False,
    resume: bool = False,
    is_batch: bool = False,
) -> Submission:
    """Store the model, create the audit, and send its first cells where there is a broker.

    Cells of a batch are computed after those of interactive audits.
    """
    from auditor.records import Priority
    from workers.submission import submit_audit, submit_model

    model = submit_model(
        database, loaded.model, name=name or loaded.name, format=loaded.format, source_sha256=loaded.sha256
    )
    priority = Priority.BATCH if is_batch else Priority.INTERACTIVE
    return submit_audit(
        database,
        model.id,
        plan,
        seed=seed,
        broker_url=settings.broker_url,
        reuse=reuse,
        resume=resume,
        priority=priority,
    )
