"""What the server asks the process with torch for: read a checkpoint, start an audit, list what there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from auditor.records import Json
from auditor.store import Database, StoredAudit, StoredModel

if TYPE_CHECKING:
    from auditor.plans.plan import Plan

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A checkpoint on disk, as ``submit`` would name it."""

    checkpoint: Path
    config: Path | None = None
    reference: Path | None = None
    format_name: str = "auto"
    entry: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an audit is to be of. ``settings`` are the entries of a plan file; without them the plan is one by name."""

    model: str
    plan: str
    settings: Mapping[str, Json] | None
    seed: int
    label: str | None = None
    strings: Path | None = None
    strings_format: str = "auto"
    reuse: bool = False


def store_model(database_url: str, given: Uploaded) -> tuple[StoredModel, tuple[str, ...]]:
    """Read an uploaded checkpoint as ``submit`` does, and store the model; what was not read is said in notes.

    Raises:
        CheckpointError: as ``auditor.checkpoints.intake.detection.load``, or it does not follow its reference.
    """
    from auditor.checkpoints.intake.detection import load
    from cli.checkpoints import compare
    from workers.submission import submit_model

    loaded = load(given.checkpoint, config=given.config, format=given.format_name, entry=given.entry)
    compare(loaded, given.reference)
    name = given.name or loaded.name

    def store(database: Database) -> StoredModel:
        return submit_model(database, loaded.model, name=name, format=loaded.format, source_sha256=loaded.sha256)

    return _with_database(database_url, store), loaded.notes


def start_audit(database_url: str, broker_url: str | None, given: Wanted) -> tuple[StoredAudit, bool]:
    """Store an audit and send it, as ``submit`` does; whether it is a new one.

    Raises:
        PlanError, LanguageError: the plan or the strings cannot be used.
        NotFoundError, AmbiguousError: the model is none, or several.
        BrokerError: it is stored but not sent.
    """
    from auditor.plans.own_strings import with_strings
    from auditor.strings.reading import open_strings
    from workers.stored_models import original_model
    from workers.submission import submit_audit

    plan = _plan(given)

    def start(database: Database) -> tuple[StoredAudit, bool]:
        chosen = plan
        if given.strings is not None:
            from auditor.store import get_model

            with database.transaction(read_only=True) as session:
                stored = get_model(session, given.model)
            file = open_strings(given.strings, given.strings_format)
            chosen = with_strings(plan, original_model(database, stored), file, given.strings.name)
        made = submit_audit(
            database,
            given.model,
            chosen,
            seed=given.seed,
            broker_url=broker_url,
            label=given.label,
            reuse=given.reuse,
        )
        return made.audit, made.is_new

    return _with_database(database_url, start)


def _plan(given: Wanted) -> Plan:
    """A plan by its name, never by a path: no client reads the server's files."""
    from auditor.errors import PlanError
    from auditor.plans.plan import PLANS, plan_from_table

    if given.settings is not None:
        return plan_from_table(given.settings, name=given.plan, where=given.plan)
    if given.plan not in PLANS:
        raise PlanError(f"unknown plan {given.plan[:100]!r}", expected=", ".join(PLANS) + ", or settings")
    return PLANS[given.plan]


def _with_database(url: str, work: Callable[[Database], Answer]) -> Answer:
    database = Database(url)
    try:
        return work(database)
    finally:
        database.dispose()


def catalogue(kind: str) -> list[dict[str, Any]]:
    """The methods or equivalences, as the commands of these names list them."""
    from auditor import contracts
    from cli.catalogue import EQUIVALENCE_FACTS, METHOD_FACTS, facts

    if kind == "methods":
        return facts(contracts.methods(), METHOD_FACTS)
    return facts(contracts.equivalences(), EQUIVALENCE_FACTS)


def plans() -> list[dict[str, Any]]:
    """The plans with all of their settings."""
    from auditor.plans.plan import PLANS

    return [plan.to_json() for plan in PLANS.values()]


def known_names(what: str) -> tuple[str, ...]:
    """The names of the methods, equivalences or plans that this version has."""
    if what == "plan":
        return tuple(str(plan["name"]) for plan in plans())
    return tuple(str(one["name"]) for one in catalogue(f"{what}s"))
