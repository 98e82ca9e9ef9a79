"""A cell from claim to result: once in effect, however often its message comes and whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from auditor.errors import ConfigurationError, StoreError
from auditor.records import ORIGINAL, AuditState, Interpretation, NotApplicable, VariantState
from auditor.stages.build import Built
from auditor.stages.conclude import Results
from auditor.stages.measure import Failure
from auditor.store import (
    MAX_ATTEMPTS,
    Database,
    LostLeaseError,
    StoredAudit,
    cancel_audit,
    get_audit,
    load_behaviour,
    load_interpretations,
    load_missing,
    load_report,
    load_variant,
    progress,
    ready_cells,
)
from tests.auditor.store.samples import BEHAVIOUR, TWIN, report, scores, twin
from tests.workers import standins
from workers import building, cells
from workers.cells import execute, one_line, record_failure
from workers.owners import new_owner
from workers.stored_models import ARCHITECTURE, variant_model

pytestmark = pytest.mark.usefixtures("_instant")


def _run_all(database: Database, audit_id: str) -> list[str]:
    done: list[str] = []
    while True:
        with database.transaction() as session:
            waiting = ready_cells(session, audit_id)
        if not waiting:
            return done
        for one, key in waiting:
            execute(database, one, key, owner=new_owner())
            done.append(key)


def _raise(error: BaseException) -> Callable[..., Any]:
    def step(*_: Any, **__: Any) -> Any:
        raise error

    return step


def test_all_cells_give_a_report_with_their_results(database: Database, audit: StoredAudit) -> None:
    assert sorted(_run_all(database, audit.id)) == sorted(cell.key for cell in standins.CELLS)
    with database.transaction() as session:
        found = progress(session, audit.id)
        stored = load_report(session, audit.id)
        measured = load_interpretations(session, audit.id).scores
        behaviour = load_behaviour(session, audit.id)
    assert found.audit.state is AuditState.DONE
    assert (found.done, found.skipped, found.failed) == (len(standins.CELLS), 0, 0)
    assert stored.findings == report().findings
    assert set(measured) == {(key, name) for key in (ORIGINAL, TWIN) for name in standins.METHODS}
    assert behaviour == standins.evaluate()


def test_the_conclusion_is_given_everything_in_the_order_of_the_plan(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def conclude(*arguments: Any) -> Any:
        given.extend(arguments)
        return report()

    monkeypatch.setattr(cells, "conclude", conclude)
    keys = [cell.key for cell in standins.CELLS]
    for key in (keys[1], keys[3], keys[2], keys[0], keys[4]):  # not the order of the plan
        execute(database, audit.id, key, owner=new_owner())
    header, model, plan, seed, results = given
    assert isinstance(results, Results)
    assert list(results.interpretations) == [(k, name) for k in (ORIGINAL, TWIN) for name in standins.METHODS]
    assert [variant.key for variant in results.variants] == [TWIN]
    assert (header.id, header.seed, plan, seed) == (audit.id, 0, standins.PLAN, 0)
    assert model.architecture == standins.small_model().architecture.to_json()


def test_a_finished_cell_names_those_it_made_ready(database: Database, audit: StoredAudit) -> None:
    ready = execute(database, audit.id, f"build/{TWIN}", owner=new_owner())
    assert ready == [(audit.id, f"measure/{TWIN}")]


def test_a_message_that_comes_twice_does_nothing(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(database, audit.id, "behaviour", owner=new_owner())
    monkeypatch.setattr(cells, "evaluate", _raise(AssertionError("computed twice")))
    assert execute(database, audit.id, "behaviour", owner=new_owner()) == []
    with database.transaction() as session:
        assert get_audit(session, audit.id).cells_done == 1


@pytest.mark.parametrize("key", ["conclude", "no such cell", f"measure/{TWIN}"])
def test_a_message_that_comes_too_early_does_nothing(database: Database, audit: StoredAudit, key: str) -> None:
    assert execute(database, audit.id, key, owner=new_owner()) == []
    with database.transaction() as session:
        assert progress(session, audit.id).done == 0


def test_a_cell_of_a_cancelled_audit_is_dropped(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as session:
        cancel_audit(session, audit.id)
    monkeypatch.setattr(cells, "evaluate", _raise(AssertionError("computed")))
    assert execute(database, audit.id, "behaviour", owner=new_owner()) == []


def test_what_was_computed_for_an_audit_cancelled_meanwhile_is_not_stored(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluate(*_: Any) -> Any:
        with database.transaction() as session:
            cancel_audit(session, audit.id)
        return BEHAVIOUR

    monkeypatch.setattr(cells, "evaluate", evaluate)
    assert execute(database, audit.id, "behaviour", owner=new_owner()) == []
    with database.transaction() as session:
        assert load_behaviour(session, audit.id) is None
        assert get_audit(session, audit.id).state is AuditState.CANCELLED


def test_results_and_end_are_one_transaction(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.cells.finish_cell", _raise(StoreError("the disk is full")))
    with pytest.raises(StoreError):
        execute(database, audit.id, "behaviour", owner=new_owner())
    with database.transaction() as session:
        assert load_behaviour(session, audit.id) is None


@pytest.mark.parametrize("state", [VariantState.NOT_CERTIFIED, VariantState.NOT_APPLICABLE])
def test_a_variant_that_may_carry_no_verdict_is_stored_and_not_measured(
    database: Database, audit: StoredAudit, state: VariantState, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_model = state is VariantState.NOT_CERTIFIED

    def build(model: Any, *_: Any, **__: Any) -> Built:
        return Built(replace(twin(state=state), reason="why"), model if has_model else None)

    monkeypatch.setattr(building, "build", build)
    _run_all(database, audit.id)
    with database.transaction() as session:
        found = progress(session, audit.id)
        variant = load_variant(session, audit.id, TWIN)
        measured = load_interpretations(session, audit.id).scores
    assert (found.audit.state, found.skipped) == (AuditState.DONE, 1)
    assert (variant.state, variant.weights_sha256 is not None) == (state, has_model)
    assert {key for key, _ in measured} == {ORIGINAL}


def test_a_method_without_scores_has_a_reason(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = NotApplicable("the model has no output map")
    monkeypatch.setattr(cells, "measure_group", _measuring({"zero": absent, "mean": scores("mean")}))
    execute(database, audit.id, "measure/original", owner=new_owner())
    with database.transaction() as session:
        stored = load_interpretations(session, audit.id)
    assert set(stored.scores) == {(ORIGINAL, "mean")}
    assert stored.not_applicable == {(ORIGINAL, "zero"): absent}


def _measuring(found: Mapping[str, Interpretation | NotApplicable | Failure]) -> Callable[..., Any]:
    def measure_group(_model: Any, _plan: Any, _seed: int, names: Sequence[str], **_: Any) -> Any:
        return {name: found[name] for name in names}

    return measure_group


def test_a_method_that_fails_keeps_the_scores_of_the_others_and_is_tried_again_alone(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Failure(RuntimeError("no memory"))
    monkeypatch.setattr(cells, "measure_group", _measuring({"zero": broken, "mean": scores("mean")}))
    key = "measure/original"
    assert execute(database, audit.id, key, owner=new_owner()) == [(audit.id, key)]
    with database.transaction() as session:
        assert set(load_interpretations(session, audit.id).scores) == {(ORIGINAL, "mean")}
        assert progress(session, audit.id).done == 0
    monkeypatch.setattr(cells, "measure_group", _measuring({"zero": scores("zero")}))  # "mean" is not asked for
    execute(database, audit.id, key, owner=new_owner())
    with database.transaction() as session:
        assert list(load_interpretations(session, audit.id).scores) == [(ORIGINAL, "zero"), (ORIGINAL, "mean")]
        assert progress(session, audit.id).done == 1


@pytest.mark.parametrize(
    ("error", "attempts"), [(RuntimeError("no memory"), MAX_ATTEMPTS), (ConfigurationError("5 heads"), 1)]
)
def test_a_cell_fails_by_the_name_of_the_method_when_its_attempts_are_used_up(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch, error: Exception, attempts: int
) -> None:
    monkeypatch.setattr(cells, "measure_group", _measuring({"zero": Failure(error), "mean": scores("mean")}))
    sent = [execute(database, audit.id, "measure/original", owner=new_owner()) for _ in range(attempts)]
    assert [len(ready) for ready in sent] == [1] * (attempts - 1) + [0]
    with database.transaction() as session:
        found = get_audit(session, audit.id)
        assert set(load_interpretations(session, audit.id).scores) == {(ORIGINAL, "mean")}
        (lost,) = load_missing(session, audit.id)
    assert (found.cells_failed, found.error) == (1, f"measure/original: zero: {one_line(error)}")
    assert (lost.cell, lost.methods, lost.why) == ("measure/original", ("zero",), f"zero: {one_line(error)}")


def test_a_method_that_fails_under_a_lost_lease_stores_nothing(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure_group(*_: Any, **__: Any) -> Any:
        with database.transaction() as session:
            cancel_audit(session, audit.id)
        return {"zero": Failure(RuntimeError("late")), "mean": scores("mean")}

    monkeypatch.setattr(cells, "measure_group", measure_group)
    assert execute(database, audit.id, "measure/original", owner=new_owner()) == []
    with database.transaction() as session:
        assert load_interpretations(session, audit.id).scores == {}
        assert get_audit(session, audit.id).state is AuditState.CANCELLED


def test_a_variant_of_another_architecture_comes_back_as_it_was(
    database: Database, audit: StoredAudit, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = standins.small_model()
    block = replace(small.architecture.blocks[0], neurons=9)
    wider = small.clone(architecture=replace(small.architecture, blocks=(block,)))
    monkeypatch.setattr(building, "build", lambda *_, **__: Built(twin(), wider))
    execute(database, audit.id, f"build/{TWIN}", owner=new_owner())
    with database.transaction() as session:
        variant = load_variant(session, audit.id, TWIN)
    assert variant.parameters[ARCHITECTURE] == wider.architecture.to_json()
    assert variant_model(database, model, variant).architecture == wider.architecture


def _claim_and_fail(database: Database, audit_id: str, error: Exception) -> list[tuple[str, str]]:
    owner = new_owner()
    with pytest.raises(type(error)) as raised:
        execute(database, audit_id, "behaviour", owner=owner)
    assert raised.value is error
    return record_failure(database, audit_id, "behaviour", owner=owner, error=error)


def test_what_is_refused_once_is_not_tried_again(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ConfigurationError("5 heads", expected="4")
    monkeypatch.setattr(cells, "evaluate", _raise(error))
    assert _claim_and_fail(database, audit.id, error) == []
    with database.transaction() as session:
        found = get_audit(session, audit.id)
    assert (found.cells_failed, found.error) == (1, "behaviour: 5 heads; expected 4")


@pytest.mark.parametrize("error", [RuntimeError("no memory\nleft"), StoreError("database is locked")])
def test_what_may_pass_is_tried_again_until_the_attempts_are_used_up(
    database: Database, audit: StoredAudit, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "evaluate", _raise(error))
    for _ in range(MAX_ATTEMPTS - 1):
        assert _claim_and_fail(database, audit.id, error) == [(audit.id, "behaviour")]
    assert _claim_and_fail(database, audit.id, error) == []
    with database.transaction() as session:
        found = get_audit(session, audit.id)
    assert (found.cells_failed, found.error) == (1, f"behaviour: {one_line(error)}")


def test_the_failure_of_a_cell_taken_over_meanwhile_changes_nothing(database: Database, audit: StoredAudit) -> None:
    execute(database, audit.id, "behaviour", owner="the one who did it")
    again = record_failure(database, audit.id, "behaviour", owner="the slow one", error=RuntimeError("late"))
    assert again == []
    with database.transaction() as session:
        assert get_audit(session, audit.id).state is AuditState.RUNNING


def test_a_lost_lease_records_no_error(database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "build", _raise(LostLeaseError("taken over")))
    assert execute(database, audit.id, f"build/{TWIN}", owner=new_owner()) == []


def test_one_line_names_the_kind_of_a_foreign_error_only() -> None:
    assert one_line(ValueError("two\nlines")) == "ValueError: two lines"
    assert one_line(KeyError()) == "KeyError"
    assert one_line(StoreError("full", expected="space")) == "full; expected space"
