"""baseline, and diff with one audit: what is pinned is compared with."""

from __future__ import annotations

from pathlib import Path

from auditor.store.audits import create_audit
from auditor.store.models import add_model
from auditor.store.removal import remove_audits
from auditor.store.reports import save_report
from auditor.store.session import open_database
from tests.auditor.report.samples import sample_report
from tests.cli.conftest import ARCHITECTURE, CELLS, DATABASE, MODEL, Ids, Run


def test_a_later_audit_is_compared_with_the_pinned_one(run: Run, ids: Ids) -> None:
    assert MODEL in run("diff", ids.again).refusal
    assert "dyck-audit baseline set" in run("diff", ids.again).refusal
    pinned = run("baseline", "set", ids.done[:7])
    assert pinned.stdout == f"{ids.done} is the baseline of {MODEL}\n"
    document = run("diff", ids.again, "--json").document
    assert [audit["audit"] for audit in document["audits"]] == [ids.done, ids.again]
    assert run("diff", ids.done, ids.again, "--json").document == document
    assert "is the baseline of its model" in run("diff", ids.done).refusal
    assert "has no report" in run("diff", ids.queued).refusal


def test_one_audit_is_pinned_for_all_models_of_a_name(run: Run, ids: Ids, home: Path) -> None:
    run("baseline", "set", ids.done)
    database = open_database(f"sqlite:///{home / DATABASE}")
    with database.transaction() as session:
        retrained = add_model(
            session, name=MODEL, format="native", source_sha256="", architecture=ARCHITECTURE, task={},
            weights=b"retrained", parameters=1,
        )  # fmt: skip
        later = create_audit(
            session, model_id=retrained.id, plan={}, plan_name="quick", seed=0, cells=CELLS, versions={}
        ).id
        save_report(session, later, sample_report(name=MODEL))
    assert run("diff", later, "--json").document["audits"][0]["audit"] == ids.done
    run("baseline", "set", later)
    (only,) = run("baseline", "list", "--json").document["baselines"]
    assert (only["model_name"], only["audit_id"]) == (MODEL, later)
    assert later in run("baseline", "list").stdout
    with database.transaction() as session:
        remove_audits(session, [later])
    database.dispose()
    assert run("baseline", "list", "--json").document == {"baselines": []}


def test_what_cannot_be_pinned_or_cleared_is_one_line(run: Run, ids: Ids) -> None:
    assert "dyck-audit watch" in run("baseline", "set", ids.queued).refusal
    assert "baseline set" in run("baseline", "list").stderr
    for which in (MODEL, ids.done):
        assert "no " in run("baseline", "clear", which).refusal
        run("baseline", "set", ids.again)
        assert run("baseline", "clear", which).stdout == f"{ids.again} is no longer the baseline of {MODEL}\n"
