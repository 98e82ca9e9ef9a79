"""A study again, through the same store, messages and workers as any audit.

A model is known by its recipe: what is stored is not trained again, and its audit is found by model, plan and versions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Progress, silent
from auditor.errors import NotFoundError
from auditor.plans.plan import Plan
from auditor.records import AuditReport, Kind, Priority, VariantState
from auditor.reproduction import steinberg2026, wen2023
from auditor.reproduction.audited import Audited
from auditor.reproduction.cohort import Cohort
from auditor.reproduction.scales import Scale
from auditor.reproduction.training import forget, trained
from auditor.store import Database, StoredModel, list_models, load_report
from workers.stored_models import original_model, variant_model
from workers.submission import submit_audit, submit_model

STUDIES: Mapping[str, ModuleType] = {module.STUDY: module for module in (wen2023, steinberg2026)}
"""Each has ``cohorts(scale)`` and ``reproduction(audited, scale)``."""

FORMAT = "native"


def chosen_cohorts(study: str, scale: Scale, only: Sequence[str] = ()) -> tuple[Cohort, ...]:
    """The cohorts of a study, or those of these names.

    Raises:
        NotFoundError: the study has no cohort of that name.
    """
    cohorts: tuple[Cohort, ...] = STUDIES[study].cohorts(scale)
    names = [cohort.name for cohort in cohorts]
    for name in only:
        if name not in names:
            raise NotFoundError(f"{study} has no family {name[:80]!r}", expected=" or ".join(names))
    return tuple(cohort for cohort in cohorts if not only or cohort.name in only)


@dataclass(frozen=True)
class Submitted:
    """One model of a study with its audit."""

    cohort: Cohort
    seed: int
    model: StoredModel
    audit_id: str
    is_new: bool  # whether the audit was made by this call


def submitted(
    database: Database,
    study: str,
    cohort: Cohort,
    seeds: Sequence[int],
    *,
    scale: Scale,
    folder: Path,
    broker_url: str | None,
    progress: Progress = silent,
) -> list[Submitted]:
    """Train what is missing of a cohort, store it, and send the audits of all its seeds.

    Raises:
        BrokerError: the broker does not take them.
        whatever ``progress`` raises, to interrupt: the same call goes on where it was.
    """
    known = _by_recipe(database)
    missing = [seed for seed in seeds if cohort.recipe(seed) not in known]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        for seed, model in zip(missing, trained(cohort, missing, folder, progress=progress), strict=True):
            recipe = cohort.recipe(seed)
            known[recipe] = submit_model(
                database, model, name=model_name(study, scale, cohort, seed), format=FORMAT, source_sha256=recipe
            )
        forget(cohort, missing, folder)
    found = []
    for seed in seeds:
        stored = known[cohort.recipe(seed)]
        made = submit_audit(database, stored.id, scale.plan, broker_url=broker_url, reuse=True, priority=Priority.BATCH)
        found.append(Submitted(cohort, seed, stored, made.audit.id, made.is_new))
    return found


def model_name(study: str, scale: Scale, cohort: Cohort, seed: int) -> str:
    """The name of a model in the store; models of shortened training have the scale in it."""
    whole = scale.training_share == 1.0
    return f"{study if whole else f'{study}-{scale.name}'}/{cohort.name}/seed{seed}"


def collected(database: Database, found: Sequence[Submitted], plan: Plan) -> Iterator[Audited]:
    """The models with their reports and certified twins.

    Raises:
        NotFoundError: an audit has no report yet.
        StoreError: weights or a report are missing or were changed in the database.
    """
    for one in found:
        with database.transaction(read_only=True) as session:
            report = load_report(session, one.audit_id)
        yield Audited(
            cohort=one.cohort.name,
            seed=one.seed,
            steps=one.cohort.schedule.steps,
            name=one.model.name,
            model_id=one.model.id,
            plan=plan,
            report=report,
            model=original_model(database, one.model),
            twins=_twins(database, one.model, report),
        )


def _twins(database: Database, stored: StoredModel, report: AuditReport) -> dict[str, CanonicalTransformer]:
    return {
        variant.key: variant_model(database, stored, variant)
        for variant in report.variants
        if variant.state is VariantState.CERTIFIED and variant.kind is not Kind.INPUT
    }


def _by_recipe(database: Database) -> dict[str, StoredModel]:
    with database.transaction(read_only=True) as session:
        return {model.sha256: model for model in list_models(session)}
