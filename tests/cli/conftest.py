"""The command line in this process, on a home of its own, and homes that already hold audits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from auditor.records import Cell, Stage
from auditor.settings import BROKER_VARIABLE, DATABASE_VARIABLE, HOME_VARIABLE
from auditor.store.audits import create_audit
from auditor.store.cells import claim_cell, fail_cell
from auditor.store.models import add_model
from auditor.store.reports import save_report
from auditor.store.session import open_database
from cli.main import app
from tests.auditor.report.samples import sample_report

DATABASE = "dyck-audit.sqlite3"
MODEL = "dyck-two-heads"
CELLS = (Cell("behaviour", Stage.BEHAVIOUR), Cell("conclude", Stage.CONCLUDE, "*"))
ARCHITECTURE = {"blocks": [{"heads": 2}, {"heads": 2}], "model_width": 32}


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """Stdout as the one JSON document it must be."""
        return json.loads(self.stdout)

    @property
    def refusal(self) -> str:
        """The one line on stderr of a command that failed."""
        lines = self.stderr.splitlines()
        assert len(lines) == 1, self.stderr
        assert lines[0].startswith("dyck-audit: ")
        return lines[0]


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True, scope="session")
def _one_tree_of_commands() -> Iterator[None]:
    """Typer builds the tree of all commands anew for every command that a runner types, which takes 45 ms."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the command line keeps its data; not made yet."""
    return tmp_path / "home"


@pytest.fixture
def run(home: Path) -> Run:
    """Type a command: ``run("history", "--json")``."""

    def typed(*arguments: object, stdin: str | None = None) -> Outcome:
        environment = {HOME_VARIABLE: str(home), DATABASE_VARIABLE: None, BROKER_VARIABLE: None}
        found = CliRunner().invoke(app, [str(a) for a in arguments], input=stdin, env=environment)
        return Outcome(found.exit_code, found.stdout, found.stderr)

    return typed


@dataclass(frozen=True)
class Ids:
    """The audits of the prepared home."""

    model: str
    done: str
    again: str
    failed: str
    queued: str


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ids]:
    """A home with one model and four audits: two done, one failed, one queued (the newest)."""
    folder = tmp_path_factory.mktemp("prepared")
    database = open_database(f"sqlite:///{folder / DATABASE}")
    with database.transaction() as session:
        model = add_model(
            session,
            name=MODEL,
            format="native",
            source_sha256="ab" * 32,
            architecture=ARCHITECTURE,
            task={"brackets": 2, "depth": 4},
            weights=b"weights",
            parameters=1234,
        )
        made = [
            create_audit(session, model_id=model.id, plan={}, plan_name="quick", seed=seed, cells=CELLS, versions={}).id
            for seed in range(4)
        ]
        done, again, failed, queued = made
        for audit_id in (done, again):
            save_report(session, audit_id, sample_report(name=MODEL))
        for key in ("behaviour", "conclude"):  # without its conclusion an audit has no report: it fails
            assert claim_cell(session, failed, key, owner="worker", lease_seconds=60)
            fail_cell(session, failed, key, owner="worker", error="the plan cannot run", final=True)
    database.dispose()
    return folder, Ids(model.id, done, again, failed, queued)


@pytest.fixture
def ids(prepared: tuple[Path, Ids], home: Path) -> Ids:
    """Fill the home with the prepared audits; their ids."""
    folder, found = prepared
    shutil.copytree(folder, home)
    return found
