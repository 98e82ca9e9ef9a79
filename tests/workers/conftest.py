"""A migrated database with a stored model and an audit, and stages that take no time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from auditor.records import Cell, Priority
from auditor.store import Database, StoredAudit, StoredModel, create_audit
from auditor.store.revisions import upgrade
from tests.workers import standins
from workers.submission import submit_model


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("workers") / "store.sqlite3"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def database_url(_template: Path, tmp_path: Path) -> str:
    """A migrated database without rows."""
    file = tmp_path / "store.sqlite3"
    shutil.copy(_template, file)
    return f"sqlite:///{file}"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, open."""
    opened = Database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def model(database: Database) -> StoredModel:
    """A stored model."""
    return submit_model(database, standins.small_model(), name="two-heads", format="native", source_sha256="0" * 64)


@pytest.fixture
def new_audit(database: Database, model: StoredModel) -> Callable[..., StoredAudit]:
    """Makes audits of the stored model with given cells."""

    def make(cells: tuple[Cell, ...] = standins.CELLS, priority: Priority = Priority.INTERACTIVE) -> StoredAudit:
        with database.transaction() as session:
            return create_audit(
                session,
                model_id=model.id,
                plan=standins.PLAN.to_json(),
                plan_name="quick",
                seed=0,
                cells=cells,
                versions={},
                priority=priority,
            )

    return make


@pytest.fixture
def audit(new_audit: Callable[..., StoredAudit]) -> StoredAudit:
    """A queued audit."""
    return new_audit()


@pytest.fixture
def _instant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stages replaced by their stand-ins."""
    for module, name, step in standins.STEPS:
        monkeypatch.setattr(module, name, step)
