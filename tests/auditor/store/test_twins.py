"""Twins by their recipe: one row each, gone with their model and not with the audit that made them."""

from __future__ import annotations

from sqlalchemy import func, select

from auditor.records import Relabelling
from auditor.store import (
    Database,
    Session,
    StoredAudit,
    add_model,
    cancel_audit,
    find_model,
    find_twin,
    load_weights,
    remove_audits,
    remove_model,
    save_twin,
    save_variant,
)
from auditor.store.schema import blob, twin
from tests.auditor.store.samples import twin as variant

RECIPE = {"variant": "behavioural_fp16/0", "seed": 0, "parameters": {"steps": 2}}
RELABELLING = Relabelling({"head": ((1,), None)})


def _save(session: Session, audit: StoredAudit, weights: bytes = b"twin weights", *, by: str | None = None) -> None:
    save_twin(
        session,
        audit.model_id,
        RECIPE,
        weights,
        made_by=by or audit.id,
        parameters={"steps": 2},
        relabelling=RELABELLING,
    )


def test_a_twin_is_found_by_its_recipe_alone(database: Database, audit: StoredAudit) -> None:
    with database.transaction() as session:
        assert find_twin(session, audit.model_id, RECIPE) is None
        _save(session, audit)
        found = find_twin(session, audit.model_id, dict(reversed(RECIPE.items())))
        assert found is not None
        assert (found.made_by, found.parameters, found.relabelling) == (audit.id, {"steps": 2}, RELABELLING)
        assert load_weights(session, found.weights_sha256) == b"twin weights"
        assert find_twin(session, audit.model_id, RECIPE | {"seed": 1}) is None
        assert find_twin(session, "m0", RECIPE) is None


def test_the_first_twin_of_a_recipe_stays(database: Database, audit: StoredAudit) -> None:
    with database.transaction() as session:
        _save(session, audit)
        _save(session, audit, b"other weights", by="a-later-one")
        found = find_twin(session, audit.model_id, RECIPE)
        assert found is not None
        assert found.made_by == audit.id
        assert session.execute(select(func.count()).select_from(twin)).scalar_one() == 1


def test_a_twin_outlives_its_audit_and_goes_with_its_model(database: Database, audit: StoredAudit) -> None:
    with database.transaction() as session:
        save_variant(session, audit.id, variant(), b"twin weights")
        _save(session, audit)
        cancel_audit(session, audit.id)
        remove_audits(session, [audit.id])
        found = find_twin(session, audit.model_id, RECIPE)
        assert found is not None
        assert load_weights(session, found.weights_sha256) == b"twin weights"
        remove_model(session, audit.model_id)
        assert session.execute(select(func.count()).select_from(twin)).scalar_one() == 0
        assert session.execute(select(blob.c.sha256)).all() == []


def test_a_model_is_found_by_what_it_is(database: Database) -> None:
    is_it = {"weights": b"w", "architecture": {"layers": 1}, "task": {"depth": 2}}
    with database.transaction() as session:
        assert find_model(session, **is_it) is None  # type: ignore[arg-type]
        added = add_model(session, name="x", format="native", source_sha256="0" * 64, parameters=1, **is_it)  # type: ignore[arg-type]
        assert find_model(session, **is_it) == added  # type: ignore[arg-type]
        assert find_model(session, **(is_it | {"task": {"depth": 3}})) is None  # type: ignore[arg-type]
