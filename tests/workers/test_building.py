"""A twin is made once: by the first audit of a model that asks for it, whatever the other audits ask besides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from auditor.contracts import equivalences
from auditor.plans.cells import planned_cells
from auditor.plans.plan import Plan
from auditor.records import AuditState, Variant, VariantState
from auditor.stages.build import Built, KeptTwin
from auditor.store import (
    Database,
    StoredAudit,
    create_audit,
    get_model,
    load_report,
    load_variant,
    progress,
    remove_model,
)
from auditor.store.schema import blob, twin
from tests.auditor.small_audits import PLAN, small_model
from tests.workers import standins
from workers import building
from workers.building import kept_variants
from workers.cells import execute
from workers.owners import new_owner
from workers.stored_models import ARCHITECTURE, variant_model
from workers.submission import submit_model

NAME = "behavioural_fp16"
KEY = f"{NAME}/0"
HALVED = replace(PLAN, equivalences=(NAME,), methods=("weights_ov_norm",))

Submit = Callable[..., StoredAudit]


@pytest.fixture
def submit(database: Database) -> Submit:
    """Stores an audit of the small model."""
    model = submit_model(database, small_model(), name="small", format="native", source_sha256="0" * 64)

    def make(plan: Plan = HALVED, *, seed: int = 0) -> StoredAudit:
        with database.transaction() as session:
            return create_audit(
                session,
                model_id=model.id,
                plan=plan.to_json(),
                plan_name=plan.name,
                seed=seed,
                cells=planned_cells(plan, small_model().architecture),
                versions={},
            )

    return make


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each time the twin is made."""
    found: list[str] = []
    plugin = equivalences()[NAME]
    original = type(plugin).transform

    def transform(*arguments: Any, **options: Any) -> Any:
        found.append(NAME)
        return original(plugin, *arguments, **options)

    monkeypatch.setattr(plugin, "transform", transform)
    return found


def _built(database: Database, audit: StoredAudit) -> Variant:
    execute(database, audit.id, f"build/{KEY}", owner=new_owner())
    with database.transaction() as session:
        return load_variant(session, audit.id, KEY)


def _rows(database: Database) -> int:
    with database.transaction() as session:
        return session.execute(select(func.count()).select_from(twin)).scalar_one()


def test_another_plan_takes_the_twin_and_certifies_it_on_sequences_of_its_own(
    database: Database, submit: Submit, made: list[str]
) -> None:
    first, other = submit(), replace(HALVED, name="more", methods=("weights_o_norm",), certificate_sequences=700)
    ours, theirs = _built(database, first), _built(database, submit(other))
    assert made == [NAME]
    assert (ours.made_by, theirs.made_by) == (None, first.id)
    assert theirs.weights_sha256 == ours.weights_sha256
    assert (theirs.parameters, theirs.relabelling) == (ours.parameters, ours.relabelling)
    assert theirs.state is VariantState.CERTIFIED
    assert ours.certificate is not None
    assert theirs.certificate is not None
    assert (ours.certificate.sequences, theirs.certificate.sequences) == (600, 700)
    assert _rows(database) == 1


@pytest.mark.parametrize(("plan", "seed"), [(HALVED, 1), (replace(HALVED, twin_restarts=5), 0)])
def test_another_seed_or_effort_makes_a_twin_of_its_own(
    database: Database, submit: Submit, made: list[str], plan: Plan, seed: int
) -> None:
    _built(database, submit())
    assert _built(database, submit(plan, seed=seed)).made_by is None
    assert (made, _rows(database)) == ([NAME, NAME], 2)


def test_two_audits_at_once_each_have_their_twin_and_one_is_kept(
    database: Database, submit: Submit, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, fast = submit(), submit()
    honest = building.build

    def build(*arguments: Any, **options: Any) -> Built:
        monkeypatch.setattr(building, "build", honest)
        execute(database, fast.id, f"build/{KEY}", owner=new_owner())
        return honest(*arguments, **options)

    monkeypatch.setattr(building, "build", build)
    assert _built(database, slow).state is VariantState.CERTIFIED
    with database.transaction() as session:
        assert load_variant(session, fast.id, KEY).made_by is None
    assert (made, _rows(database)) == ([NAME, NAME], 1)
    assert _built(database, submit()).made_by == fast.id


def test_the_report_names_the_audit_that_made_a_twin(database: Database, submit: Submit) -> None:
    first, second = submit(), submit()
    for audit in (first, second):
        for cell in planned_cells(HALVED, small_model().architecture):
            execute(database, audit.id, cell.key, owner=new_owner())
    with database.transaction() as session:
        assert progress(session, second.id).audit.state is AuditState.DONE
        reports = [load_report(session, audit.id) for audit in (first, second)]
    assert [report.variants[0].made_by for report in reports] == [None, first.id]
    verdicts = [[(f.claim.identity, f.verdict, f.effect) for f in report.findings] for report in reports]
    assert verdicts[0] == verdicts[1]


def test_the_forecast_knows_the_twins_of_this_model_plan_and_seed(database: Database, submit: Submit) -> None:
    audit = submit()
    with database.transaction() as session:
        assert kept_variants(session, small_model(), HALVED, 0) == frozenset()
    _built(database, audit)
    with database.transaction() as session:
        assert kept_variants(session, small_model(), HALVED, 0) == {KEY}
        assert kept_variants(session, small_model(), HALVED, 1) == frozenset()
        assert kept_variants(session, standins.small_model(), HALVED, 0) == frozenset()


def test_a_kept_twin_of_another_architecture_comes_back_as_it_was(
    database: Database, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = small_model()
    block = replace(small.architecture.blocks[0], neurons=9)
    wider = small.clone(architecture=replace(small.architecture, blocks=(block,)))
    given: list[KeptTwin | None] = []

    def build(*_: Any, kept: KeptTwin | None, **__: Any) -> Built:
        given.append(kept)
        parameters = {"steps": 2} if kept is None else kept.made.parameters
        variant = Variant(KEY, NAME, equivalences()[NAME].kind, 0, VariantState.CERTIFIED, parameters=parameters)
        return Built(variant, wider)

    monkeypatch.setattr(building, "build", build)
    first, second = (_built(database, submit()) for _ in range(2))
    assert given[0] is None
    assert given[1] is not None
    assert given[1].made.model.architecture == wider.architecture
    assert first.parameters == second.parameters == {"steps": 2, ARCHITECTURE: wider.architecture.to_json()}
    with database.transaction() as session:
        model = get_model(session, "small")
    assert variant_model(database, model, second).architecture == wider.architecture


def test_a_model_leaves_nothing_behind(database: Database, submit: Submit) -> None:
    audit = submit(replace(HALVED, methods=("weights_ov_norm",)))
    for cell in planned_cells(HALVED, small_model().architecture):
        execute(database, audit.id, cell.key, owner=new_owner())
    with database.transaction() as session:
        remove_model(session, "small", with_audits=True)
        assert session.execute(select(blob.c.sha256)).all() == []
        assert session.execute(select(twin.c.recipe)).all() == []
