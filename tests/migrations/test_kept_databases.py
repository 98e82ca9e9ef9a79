"""Databases that earlier versions left: brought to the head with all that they hold, read, and worked on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from auditor.canonical.architecture import Architecture
from auditor.canonical.serialisation import model_from_bytes
from auditor.language.task import Task
from auditor.store import Database, claim_cell, get_blob, list_models
from auditor.store.removal import remove_model
from auditor.store.revisions import check, current, head, upgrade
from auditor.store.schema import audit, blob, cell, metadata
from tests.cli.conftest import Outcome, Run
from tests.migrations.kept import FACTS, FOLDER, POSTGRESQL, SQLITE, facts

pytestmark = pytest.mark.slow

KEPT = sorted(place.name for place in FOLDER.iterdir())


@pytest.fixture(params=[(kept, kind) for kept in KEPT for kind in ("sqlite", "postgresql")], ids="-".join)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str, dict[str, Any]]:
    """Revision, URL and contents of a kept database, ours to change."""
    revision, kind = request.param
    place = FOLDER / revision
    holds: dict[str, Any] = json.loads((place / FACTS).read_text())
    if kind == "sqlite":
        file = shutil.copy(place / SQLITE, tmp_path / "kept.sqlite3")
        return revision, f"sqlite:///{file}", holds
    url: str = request.getfixturevalue("postgres_url")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((place / POSTGRESQL).read_bytes())
    return revision, url, holds


@pytest.fixture
def database(kept: tuple[str, str, dict[str, Any]]) -> Iterator[Database]:
    """The kept database at the head."""
    upgrade(kept[1])
    opened = Database(kept[1])
    yield opened
    opened.dispose()


def test_there_is_one_of_each_kind() -> None:
    assert KEPT
    for name in KEPT:
        assert {file.name for file in (FOLDER / name).iterdir()} == {FACTS, SQLITE, POSTGRESQL}


def test_it_is_brought_to_the_head_with_its_rows(kept: tuple[str, str, dict[str, Any]]) -> None:
    revision, url, holds = kept
    assert current(url) == revision
    upgrade(url)
    assert current(url) == head()
    assert check(url) == ()
    found = json.loads(json.dumps(facts(url)))
    assert {name: found["rows"].get(name) for name in holds["rows"]} == holds["rows"]
    assert all(holds["rows"].values()), "a table without rows shows nothing"
    for part in ("models", "audits", "findings", "scores"):
        assert found[part] == holds[part]


def test_its_models_can_be_run_and_its_queue_goes_on(database: Database) -> None:
    with database.transaction() as session:
        (stored,) = list_models(session)
        weights = get_blob(session, stored.weights_sha256)
        (queued,) = session.execute(select(audit.c.id).where(audit.c.state == "queued")).scalars()
        first = session.execute(select(cell.c.key).where(cell.c.audit_id == queued, cell.c.state == "ready")).scalars()
        assert claim_cell(session, queued, next(iter(first)), owner="me", lease_seconds=60) is not None
    model = model_from_bytes(weights, Architecture.from_json(stored.architecture), Task.from_json(stored.task))
    assert sum(parameter.numel() for parameter in model.parameters()) == stored.parameters


def test_the_commands_read_it(kept: tuple[str, str, dict[str, Any]]) -> None:
    _, url, holds = kept
    run = _command(url)
    assert run("db", "upgrade").code == 0
    listed = run("history", "--json").document["audits"]
    assert {one["id"] for one in listed} == set(holds["audits"])
    for audit_id, found in holds["findings"].items():
        report = run("report", audit_id, "--format", "json").document
        assert [one["id"] for one in report["findings"]] == [one[0] for one in found]

    assert len(run("findings", "--json").document["findings"]) == holds["rows"]["finding"]


def _command(url: str) -> Run:
    from cli.main import app

    def typed(*arguments: object, stdin: str | None = None) -> Outcome:
        found = CliRunner().invoke(app, [*map(str, arguments), "--database-url", url], input=stdin)
        return Outcome(found.exit_code, found.stdout, found.stderr)

    return typed


def test_removing_its_model_leaves_no_row_that_refers_to_nothing_and_no_bytes(database: Database) -> None:
    with database.transaction() as session:
        (stored,) = list_models(session)
        session.execute(audit.update().values(state="cancelled").where(audit.c.state == "queued"))
        remove_model(session, stored.id, with_audits=True)
    with database.transaction(read_only=True) as session:
        left = {table.name for table in metadata.sorted_tables if session.execute(select(table)).first() is not None}
        assert not session.execute(select(blob.c.sha256)).all()
    assert left == {"calibration", "token"}, "these belong to no model"
