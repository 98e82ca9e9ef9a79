"""The cell that builds a variant: from a kept twin where the store has one, else anew, and kept for the next audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.serialisation import weights_bytes
from auditor.contracts import Progress, Transformed
from auditor.plans.cells import planned_variant, planned_variants
from auditor.plans.plan import Plan
from auditor.records import Json, Variant
from auditor.stages.build import KeptTwin, build
from auditor.stages.recipe import recipe_of
from auditor.store import (
    ClaimedCell,
    Database,
    Session,
    StoredModel,
    StoredTwin,
    find_model,
    find_twin,
    save_twin,
    save_variant,
)
from workers.stored_models import ARCHITECTURE, original_model, stored_plan, twin_model


@dataclass(frozen=True)
class Made:
    """A variant as it is to be stored. Without ``weights`` it has no model, or the weights are in the store already."""

    variant: Variant
    weights: bytes | None
    recipe: Mapping[str, Json] | None  # of a twin that later audits may take


def build_variant(database: Database, claimed: ClaimedCell, stored: StoredModel, progress: Progress) -> Made:
    """Build the variant of a claimed cell."""
    model, plan = original_model(database, stored), stored_plan(database, claimed.plan)
    request = planned_variant(plan, model.architecture, claimed.cell.variant)
    recipe = recipe_of(request, plan, claimed.seed)
    twin = None
    if recipe is not None:
        with database.transaction(read_only=True) as session:
            twin = find_twin(session, stored.id, recipe)
    kept = None if twin is None else kept_twin(database, stored, twin)
    built = build(model, plan, claimed.seed, request.key, kept=kept, progress=progress)
    if twin is not None:
        return Made(replace(built.variant, weights_sha256=twin.weights_sha256), None, None)
    if built.model is None:
        return Made(built.variant, None, None)
    return Made(with_architecture(built.variant, built.model, model), weights_bytes(built.model), recipe)


def save_built(session: Session, claimed: ClaimedCell, made: Made) -> None:
    """Store the variant, and its twin for later audits."""
    variant = save_variant(session, claimed.audit_id, made.variant, made.weights)
    if made.recipe is not None and made.weights is not None:
        save_twin(
            session,
            claimed.model_id,
            made.recipe,
            made.weights,
            made_by=claimed.audit_id,
            parameters=variant.parameters,
            relabelling=variant.relabelling,
        )


def kept_variants(session: Session, model: CanonicalTransformer, plan: Plan, seed: int) -> frozenset[str]:
    """The keys of the planned variants of a model whose twins the store has."""
    stored = find_model(
        session, weights=weights_bytes(model), architecture=model.architecture.to_json(), task=model.task.to_json()
    )
    if stored is None:
        return frozenset()
    recipes = {request.key: recipe_of(request, plan, seed) for request in planned_variants(plan, model.architecture)}
    return frozenset(
        key for key, recipe in recipes.items() if recipe is not None and find_twin(session, stored.id, recipe)
    )


def kept_twin(database: Database, stored: StoredModel, twin: StoredTwin) -> KeptTwin:
    """A twin of the store with its model.

    Raises:
        StoreError: its weights are missing or were changed in the database.
    """
    model = twin_model(database, stored, twin)
    return KeptTwin(Transformed(model, twin.relabelling, twin.parameters), twin.made_by)


def with_architecture(variant: Variant, model: CanonicalTransformer, original: CanonicalTransformer) -> Variant:
    """The variant with its architecture among its parameters, where that is not the original's."""
    if model.architecture == original.architecture:
        return variant
    return replace(variant, parameters={**variant.parameters, ARCHITECTURE: model.architecture.to_json()})
