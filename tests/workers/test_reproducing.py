"""Models of a study in the store: trained once, audited once, and what failed is run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

from auditor.errors import NotFoundError
from auditor.plans.cells import planned_cells
from auditor.records import AuditState
from auditor.reproduction.cohort import Cohort
from auditor.reproduction.scales import WEN2023
from auditor.store import Database, claim_cell, count_audits, fail_cell, get_audit, list_models
from auditor.testing.models import random_model
from auditor.training.stacked import Stack, StackedSchedule
from workers.reproducing import Submitted, chosen_cohorts, collected, submitted

SCALE = replace(WEN2023["smoke"], plan=replace(WEN2023["smoke"].plan, equivalences=("exact_query_key_gauge",)))


def _losses(stack: Stack, seeds: Sequence[int], _step: int) -> Tensor:
    assert len(stack) == len(seeds)
    return stack.weights["W_U"].square().sum((1, 2))


COHORT = Cohort(
    "small", "random models", StackedSchedule(2, 1e-3), lambda seed: random_model(seed=seed), _losses, {"study": "none"}
)


def _submit(database: Database, folder: Path, seeds: Sequence[int], cohort: Cohort = COHORT) -> list[Submitted]:
    return submitted(database, "wen2023", cohort, seeds, scale=SCALE, folder=folder, broker_url=None)


def test_a_second_call_finds_models_and_audits_and_a_third_adds_what_is_missing(
    database: Database, tmp_path: Path
) -> None:
    first = _submit(database, tmp_path / "states", (0, 1))
    assert [one.model.name for one in first] == ["wen2023-smoke/small/seed0", "wen2023-smoke/small/seed1"]
    assert [one.model.sha256 for one in first] == [COHORT.recipe(0), COHORT.recipe(1)]
    assert not list((tmp_path / "states").iterdir())
    again = _submit(database, tmp_path / "states", (0, 1))
    assert [one.audit_id for one in again] == [one.audit_id for one in first]
    assert not any(one.is_new for one in again)
    third = _submit(database, tmp_path / "states", (0, 1, 2))
    assert [one.is_new for one in third] == [False, False, True]
    with database.transaction(read_only=True) as session:
        assert len(list_models(session)) == 3
        assert count_audits(session) == {AuditState.QUEUED: 3}


def test_another_schedule_is_another_model(database: Database, tmp_path: Path) -> None:
    (one,) = _submit(database, tmp_path, (0,))
    (other,) = _submit(database, tmp_path, (0,), replace(COHORT, schedule=StackedSchedule(3, 1e-3)))
    assert one.model.id != other.model.id


def test_an_audit_that_failed_is_queued_again(database: Database, tmp_path: Path) -> None:
    (one,) = _submit(database, tmp_path, (0,))
    with database.transaction() as session:
        for cell in planned_cells(SCALE.plan, random_model().architecture):
            if claim_cell(session, one.audit_id, cell.key, owner="me", lease_seconds=60) is not None:
                fail_cell(session, one.audit_id, cell.key, owner="me", error="no", final=True)
        before = get_audit(session, one.audit_id).state
    assert before is AuditState.FAILED
    (again,) = _submit(database, tmp_path, (0,))
    assert again.audit_id == one.audit_id
    with database.transaction(read_only=True) as session:
        assert get_audit(session, one.audit_id).state is AuditState.QUEUED


def test_without_a_report_nothing_is_collected(database: Database, tmp_path: Path) -> None:
    found = _submit(database, tmp_path, (0,))
    with pytest.raises(NotFoundError, match="has no report"):
        list(collected(database, found, SCALE.plan))


def test_families_are_chosen_by_name_in_the_order_of_the_study() -> None:
    scale = replace(WEN2023["smoke"], training_share=0.0, least_steps=1)
    chosen = chosen_cohorts("wen2023", scale, ("balance_acc", "example"))
    assert [cohort.name for cohort in chosen] == ["example", "balance_acc"]
    assert len(chosen_cohorts("wen2023", scale)) == 12
    with pytest.raises(NotFoundError, match="no family 'unknown'"):
        chosen_cohorts("wen2023", scale, ("unknown",))
