"""history prune: what is old goes with all that only it needed; nothing else does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from auditor.records import Verdict
from auditor.store.schema import metadata
from tests.cli.conftest import DATABASE, Ids, Run

pytestmark = pytest.mark.slow


def _sql(home: Path, *statements: str) -> list[list[tuple[object, ...]]]:
    with closing(sqlite3.connect(home / DATABASE)) as database, database:
        database.execute("PRAGMA foreign_keys=ON")
        return [database.execute(statement).fetchall() for statement in statements]


def _audits(run: Run) -> set[str]:
    return {one["id"] for one in run("history", "--json").document["audits"]}


def test_a_dry_run_counts_and_changes_nothing(run: Run, ids: Ids, home: Path) -> None:
    _sql(home, f"UPDATE audit SET finished_at = '2020-01-01 00:00:00.000000' WHERE id = '{ids.done}'")
    before = _audits(run)
    counted = run("history", "prune", "--older-than", "90d", "--dry-run", "--json").document
    assert (counted["dry_run"], counted["audits"], counted["kept"]) == (True, 1, 0)
    assert counted["findings"] > len(Verdict) - 1
    assert _audits(run) == before
    said = run("history", "prune", "--older-than", "90d", "--dry-run")
    assert said.stdout.startswith(f"1 audits with {counted['findings']} findings would be removed")
    done = run("history", "prune", "--older-than", "90d", "--json").document
    assert done == counted | {"dry_run": False}
    assert _audits(run) == before - {ids.done}
    for table in metadata.sorted_tables:
        if "audit_id" in table.c:
            assert _sql(home, f"SELECT 1 FROM {table.name} WHERE audit_id = '{ids.done}'") == [[]]
    assert _sql(home, "PRAGMA foreign_key_check") == [[]]
    assert run("models", "show", ids.model).code == 0


def test_what_still_runs_is_a_baseline_or_is_continued_stays(run: Run, ids: Ids, home: Path) -> None:
    _sql(
        home,
        "UPDATE audit SET finished_at = '2020-01-01 00:00:00.000000'",  # that of the queued one is set too
        f"INSERT INTO baseline VALUES ('{ids.model}', '{ids.done}', '2020-01-01')",
        f"UPDATE audit SET plan = json_set(plan, '$.continues', '{ids.again}') WHERE id = '{ids.queued}'",
    )
    pruned = run("history", "prune", "--older-than", "2026-01-01")
    assert "2 old audits stay" in pruned.stderr
    assert _audits(run) == {ids.done, ids.again, ids.queued}


def test_bytes_that_only_old_audits_needed_go_and_those_of_the_model_stay(run: Run, ids: Ids, home: Path) -> None:
    _sql(
        home,
        "INSERT INTO blob VALUES ('mine', 'text/plain', 1000, x'00', '2020-01-01')",
        f"UPDATE audit SET strings_sha256 = 'mine', finished_at = '2020-01-01 00:00:00.000000' WHERE id = '{ids.done}'",
    )
    pruned = run("history", "prune", "--older-than", "2026-01-01", "--json").document
    assert pruned["bytes"] >= 1000
    assert _sql(home, "SELECT sha256 FROM blob WHERE sha256 = 'mine'") == [[]]
    assert _sql(home, "SELECT count(*) FROM model JOIN blob ON blob.sha256 = weights_sha256") == [[(1,)]]


def test_an_age_is_needed_and_a_wrong_one_is_named(run: Run, ids: Ids) -> None:
    assert "--older-than" in run("history", "prune").refusal
    assert "90 days" in run("history", "prune", "--older-than", "90 days").refusal
    assert len(_audits(run)) == 4
