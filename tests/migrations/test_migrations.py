"""The migrations: one head, the tables of the schema, every step up, down and up again, nothing left at the base."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from auditor.errors import RevisionError, StoreError
from auditor.store.cells import claim_cell
from auditor.store.engine import make_engine, parse_url
from auditor.store.revisions import SCRIPTS, VERSION_TABLE, check, current, downgrade, head, upgrade

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite3'}"
    empty: str = request.getfixturevalue("postgres_url")
    return empty


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return ScriptDirectory.from_config(config)


def _tables(url: str) -> set[str]:
    engine = make_engine(parse_url(url))
    with engine.connect() as connection:
        found = set(inspect(connection).get_table_names())
    engine.dispose()
    return found


def test_there_is_one_head_and_it_is_the_newest_file() -> None:
    assert _scripts().get_heads() == [head()]


def test_every_revision_is_its_file_name_and_dated_after_its_predecessor() -> None:
    for script in _scripts().walk_revisions():
        assert Path(script.path).stem == script.revision
        assert re.fullmatch(r"\d{8}_[a-z0-9_]+", script.revision)
        assert len(script.revision) <= 32  # the width of alembic's column
        assert script.down_revision is None or str(script.down_revision) < script.revision


def test_scripts_stand_alone() -> None:
    for script in _scripts().walk_revisions():
        assert not re.search(r"^\s*(from|import) (auditor|workers|cli)", Path(script.path).read_text(), re.MULTILINE)


def test_migrated_tables_are_those_of_the_schema(url: str) -> None:
    upgrade(url)
    assert check(url) == ()
    assert current(url) == head()


def test_check_sees_a_difference(url: str) -> None:
    upgrade(url)
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE model ADD COLUMN colour TEXT"))
    engine.dispose()
    (difference,) = check(url)
    assert "colour" in difference


def test_each_step_goes_up_down_and_up_again(url: str) -> None:
    steps = [script.revision for script in reversed(list(_scripts().walk_revisions()))]
    for before, step in zip(["base", *steps], steps, strict=False):
        upgrade(url, step)
        downgrade(url, before)
        assert current(url) == (None if before == "base" else before)
        upgrade(url, step)
        assert current(url) == step
    assert check(url) == ()


def test_a_queued_cell_of_one_method_becomes_a_group_of_one_and_back(url: str) -> None:
    upgrade(url, "20261122_rates_of_calibration")
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO blob VALUES ('s', 't', 1, '', '2026-01-01')",
            "INSERT INTO model VALUES ('m', 'i', 'n', 's', 'f', '{}', '{}', 's', NULL, 1, '2026-01-01')",
            "INSERT INTO audit (id, model_id, request, plan, plan_name, seed, versions, state, cells_total, "
            "cells_done, cells_failed, created_at) VALUES "
            "('a', 'm', 'r', '{}', 'p', 0, '{}', 'queued', 2, 0, 0, '2026-01-01')",
            "INSERT INTO cell (audit_id, key, position, stage, variant, method, state, skipped, attempt) VALUES "
            "('a', 'behaviour', 0, 'behaviour', 'original', NULL, 'ready', false, 0), "
            "('a', 'measure/original/zero', 1, 'measure', 'original', 'zero', 'ready', false, 0)",
        ):
            connection.execute(text(statement))
    upgrade(url)
    with engine.begin() as connection:
        claimed = claim_cell(connection, "a", "measure/original/zero", owner="me", lease_seconds=60)
    assert claimed is not None
    assert claimed.cell.methods == ("zero",)
    downgrade(url, "20261122_rates_of_calibration")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT method FROM cell ORDER BY position")).scalars().all()
        assert rows == [None, "zero"]
    engine.dispose()


def test_findings_get_what_lists_filter_by_and_audits_their_counts(url: str) -> None:
    upgrade(url, "20261126_web_tokens")
    bodies = {
        "f1": {"claim": {"kind": "rank"}, "kind": "exact", "expected": "open", "invariant": False, "resolved": True},
        "f2": {"claim": {"kind": "value"}, "kind": "exact", "expected": "free"},
        "f3": {"claim": {"kind": "set"}, "kind": "input", "expected": "open", "basis": "input", "invariant": None},
    }
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO blob VALUES ('s', 't', 1, '', '2026-01-01')",
            "INSERT INTO model VALUES ('m', 'i', 'n', 's', 'f', '{}', '{}', 's', NULL, 1, '2026-01-01')",
            "INSERT INTO audit (id, model_id, request, plan, plan_name, seed, versions, state, cells_total, "
            "cells_done, cells_failed, created_at, report) VALUES "
            "('done', 'm', 'r', '{}', 'p', 0, '{}', 'done', 1, 0, 0, '2026-01-02', ''), "
            "('queued', 'm', 'q', '{}', 'p', 0, '{}', 'queued', 1, 0, 0, '2026-01-02', NULL)",
        ):
            connection.execute(text(statement))
        for place, (finding_id, body) in enumerate(bodies.items()):
            verdict = "unstable" if body["expected"] == "open" else "stable"
            connection.execute(
                text(
                    "INSERT INTO finding (audit_id, id, position, method, equivalence, layer, verdict, body) "
                    "VALUES ('done', :id, :place, 'zero', 'e', 0, :verdict, :body)"
                ),
                {"id": finding_id, "place": place, "verdict": verdict, "body": json.dumps(body)},
            )
    upgrade(url)
    with engine.connect() as connection:
        columns = "claim, basis, invariant, resolved, substr(CAST(audit_created_at AS TEXT), 1, 10)"
        rows = connection.execute(text(f"SELECT {columns} FROM finding ORDER BY id")).all()
        counts = connection.execute(text("SELECT stable, unstable, inconclusive FROM audit ORDER BY id")).all()
    assert rows == [
        ("rank", "exact", False, True, "2026-01-02"),
        ("value", "theory", None, None, "2026-01-02"),
        ("set", "input", None, None, "2026-01-02"),
    ]
    assert counts == [(1, 2, 0), (None, None, None)]
    downgrade(url, "20261126_web_tokens")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM finding")).scalar_one() == len(bodies)
    engine.dispose()


def test_base_leaves_nothing(url: str) -> None:
    upgrade(url)
    downgrade(url, "base")
    assert _tables(url) <= {VERSION_TABLE}


def test_upgrade_twice_is_upgrade_once(url: str) -> None:
    upgrade(url)
    upgrade(url)
    assert current(url) == head()


def test_an_unknown_revision_is_refused_in_one_line(url: str) -> None:
    upgrade(url)
    with pytest.raises(RevisionError, match="'19990101_never' cannot be reached"):
        downgrade(url, "19990101_never")
    assert current(url) == head()


def test_the_database_of_another_version_is_left_alone(url: str) -> None:
    upgrade(url)
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '29991231_later'"))
    engine.dispose()
    for move in (upgrade, lambda url: downgrade(url, "base")):
        with pytest.raises(RevisionError, match="29991231_later, which this version does not know"):
            move(url)
    assert current(url) == "29991231_later"


def test_a_step_that_fails_changes_nothing(url: str) -> None:
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE interpretation (id INTEGER)"))  # in the way of the first script
    engine.dispose()
    with pytest.raises(StoreError, match="interpretation"):
        upgrade(url)
    assert _tables(url) == {"interpretation"}


def test_the_scripts_do_not_depend_on_the_working_directory(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "migrations").mkdir()
    monkeypatch.chdir(tmp_path)
    upgrade(url)
    assert current(url) == head()
