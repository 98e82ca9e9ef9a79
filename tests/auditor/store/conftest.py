"""Every test of the store runs on both databases, each test on a fresh copy of migrated tables."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from auditor.store import Database, StoredAudit, StoredModel, add_model, create_audit
from auditor.store.revisions import upgrade
from tests.auditor.store.samples import CELLS, PLAN, VERSIONS
from tests.embedded_postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "store.sqlite3"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: EmbeddedPostgres) -> str:
    url = postgres_server.new_database()
    upgrade(url)
    return urlsplit(url).path.strip("/")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated database without rows."""
    if request.param == "sqlite":
        file = tmp_path / "store.sqlite3"
        shutil.copy(request.getfixturevalue("_sqlite_template"), file)
        return f"sqlite:///{file}"
    server: EmbeddedPostgres = request.getfixturevalue("postgres_server")
    return server.new_database(template=request.getfixturevalue("_postgres_template"))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """An open migrated database without rows."""
    opened = Database(url)
    yield opened
    opened.dispose()


@pytest.fixture
def stored_model(database: Database) -> StoredModel:
    """One stored model."""
    with database.transaction() as session:
        return add_model(
            session,
            name="two-heads",
            format="native",
            source_sha256="0" * 64,
            architecture={"layers": 1, "heads": 2},
            task={"brackets": 2, "depth": 4},
            weights=b"weights",
            parameters=7,
        )


@pytest.fixture
def new_audit(database: Database, stored_model: StoredModel) -> Callable[..., StoredAudit]:
    """Makes queued audits of the stored model with the cells of ``samples``."""

    def make(**changes: object) -> StoredAudit:
        request = {
            "model_id": stored_model.id,
            "plan": PLAN,
            "plan_name": "quick",
            "seed": 0,
            "cells": CELLS,
            "versions": VERSIONS,
            "label": None,
        }
        with database.transaction() as session:
            return create_audit(session, **{**request, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def audit(new_audit: Callable[..., StoredAudit]) -> StoredAudit:
    """One queued audit."""
    return new_audit()
