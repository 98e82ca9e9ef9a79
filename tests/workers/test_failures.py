"""Audits in which a cell fails for good: all the rest is computed, and a retry fills the hole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from auditor.errors import ConfigurationError
from auditor.records import RERUN, AuditReport, AuditState, Stage
from auditor.store import Database, get_audit, load_report, ready_cells, retry_audit
from tests.auditor.small_audits import PLAN, small_model
from workers import cells
from workers.cells import execute, record_failure
from workers.owners import new_owner
from workers.submission import submit_audit, submit_model

pytestmark = pytest.mark.slow

EXACT = "exact_head_permutation"
SMALL = replace(
    PLAN,
    methods=("ablation_head_zero", "ablation_head_resample"),  # the second draws at random
    equivalences=(EXACT, "exact_value_output_gauge"),
    bootstrap_draws=1_999,
)
POISON = "test cell that always fails"

Audited = tuple[str, AuditReport]


@pytest.fixture
def audited(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Audited]:
    """Computes an audit of which the cells with these keys always fail."""
    model = submit_model(database, small_model(), name="small", format="native", source_sha256="0" * 64)
    real = dict(cells._COMPUTE)

    def run(*poisoned: str) -> Audited:
        def failing(stage: Stage) -> cells.Compute:
            def compute(*given: object) -> cells.Outcome:
                if given[1].cell.key in poisoned:  # type: ignore[attr-defined]
                    raise ConfigurationError(POISON)
                return real[stage](*given)  # type: ignore[arg-type]

            return compute

        monkeypatch.setattr(cells, "_COMPUTE", {stage: failing(stage) for stage in real})
        audit_id = submit_audit(database, model.id, SMALL).audit.id
        return audit_id, _run(database, audit_id)

    return run


def _run(database: Database, audit_id: str) -> AuditReport:
    waiting = True
    while waiting:
        with database.transaction() as session:
            found = ready_cells(session, audit_id)
        waiting = bool(found)
        for one, key in found:
            owner = new_owner()
            try:
                execute(database, one, key, owner=owner)
            except ConfigurationError as error:
                record_failure(database, one, key, owner=owner, error=error)
    with database.transaction() as session:
        return load_report(session, audit_id)


@pytest.mark.parametrize("poisoned", [("behaviour",), ("measure/original",), (f"build/{EXACT}/0", f"measure/{RERUN}")])
def test_a_retry_fills_the_hole_and_gives_the_report_of_an_undisturbed_run(
    database: Database, audited: Callable[..., Audited], monkeypatch: pytest.MonkeyPatch, poisoned: tuple[str, ...]
) -> None:
    audit_id, report = audited(*poisoned)
    with database.transaction() as session:
        audit = get_audit(session, audit_id)
    assert (audit.state, report.audit.state) == (AuditState.INCOMPLETE, AuditState.INCOMPLETE)
    assert audit.error == f"{poisoned[0]}: {POISON}"
    assert set(poisoned) <= {one.cell for one in report.missing}
    monkeypatch.undo()
    with database.transaction() as session:
        assert set(retry_audit(session, audit_id)) == set(poisoned)
    again = _run(database, audit_id)
    _, whole = audited()
    assert (again.audit.state, again.missing) == (AuditState.DONE, ())
    assert again.findings == whole.findings
    assert (again.summary, again.behaviour) == (whole.summary, whole.behaviour)


def test_the_same_request_again_tries_what_failed_again(database: Database, audited: Callable[..., Audited]) -> None:
    audit_id, _ = audited("behaviour")
    with database.transaction() as session:
        model_id = get_audit(session, audit_id).model_id
    again = submit_audit(database, model_id, SMALL, reuse=True)
    assert (again.audit.id, again.is_new, again.is_retried) == (audit_id, False, True)
    assert again.audit.state is AuditState.QUEUED
