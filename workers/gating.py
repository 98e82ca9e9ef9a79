"""What a gate judges and attacks, from the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.serialisation import weights_bytes
from auditor.gate.attack import Shelf
from auditor.gate.claims_file import Entry
from auditor.plans.plan import Plan
from auditor.records import AuditReport, Claim, Json
from auditor.stages.attack import Attacked, request_against
from auditor.stages.build import KeptTwin
from auditor.stages.conclude import Results
from auditor.stages.content import content_of
from auditor.stages.recipe import recipe_of
from auditor.store import Session, add_finding, find_twin, get_audit, resolve_audit, save_twin, save_variant
from auditor.store.models import get_model
from auditor.store.reports import load_report
from auditor.store.session import Database
from workers.building import kept_twin, with_architecture
from workers.conclusion import finished_audit, load_results
from workers.stored_models import original_model, stored_plan


@dataclass(frozen=True)
class Gated:
    """What the claims are judged on."""

    audit_id: str
    content: str  # what was audited: a part of the ids of findings
    plan: Plan
    seed: int
    results: Results
    entries: tuple[Entry, ...]


def gated(session: Session, audit_id: str, entries: tuple[Entry, ...]) -> Gated:
    """The results of a finished audit, for the claims about its model.

    Raises:
        StoreError: it is not finished.
    """
    audit = finished_audit(session, audit_id)
    report = load_report(session, audit.id)
    content = content_of(report.audit, report.model)
    return Gated(audit.id, content, Plan.from_json(audit.plan), audit.seed, load_results(session, audit.id), entries)


def compared_reports(session: Session, baseline: str, audit_id: str) -> tuple[AuditReport, AuditReport]:
    """The reports of a baseline, by an id or the start of one, and of an audit."""
    return load_report(session, resolve_audit(session, baseline)), load_report(session, audit_id)


def attacked_model(database: Database, judged: Gated) -> tuple[AuditReport, CanonicalTransformer, Plan]:
    """The report of the audit, its model, and its plan with the user's strings where it has some."""
    with database.transaction(read_only=True) as session:
        report = load_report(session, judged.audit_id)
        audit = get_audit(session, judged.audit_id)
        stored = get_model(session, audit.model_id)
    return report, original_model(database, stored), stored_plan(database, audit.plan)


class StoredAttacks(Shelf):
    """Attacks on an audited model: twins by their recipe, and of claims that fell the variant and the finding."""

    def __init__(self, database: Database, judged: Gated) -> None:
        self._database, self._audit, self._seed = database, judged.audit_id, judged.seed
        with database.transaction(read_only=True) as session:
            self._model = get_model(session, get_audit(session, judged.audit_id).model_id)

    def find(self, claim: Claim, plan: Plan) -> KeptTwin | None:
        """The twin that an earlier attack by the same recipe has made."""
        with self._database.transaction(read_only=True) as session:
            twin = find_twin(session, self._model.id, self._recipe(claim, plan))
        return None if twin is None else kept_twin(self._database, self._model, twin)

    def keep(self, claim: Claim, plan: Plan, attacked: Attacked) -> None:
        """Keep the twin; where it overturns the claim, ``dyck-audit witness`` finds it by the id of its finding."""
        model, finding = attacked.built.model, attacked.finding
        if model is None:
            return
        weights = weights_bytes(model)
        variant = with_architecture(attacked.built.variant, model, original_model(self._database, self._model))
        with self._database.transaction() as session:
            if variant.made_by is None:
                save_twin(
                    session,
                    self._model.id,
                    self._recipe(claim, plan),
                    weights,
                    made_by=self._audit,
                    parameters=variant.parameters,
                    relabelling=variant.relabelling,
                )
            if attacked.overturns and finding is not None:
                save_variant(session, self._audit, variant, weights)
                add_finding(session, self._audit, finding)

    def _recipe(self, claim: Claim, plan: Plan) -> Mapping[str, Json]:
        return recipe_of(request_against(claim), plan, self._seed) or {}
