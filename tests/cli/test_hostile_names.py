"""Names that a file or a user may give, through every form of every reading command: one harmless line each."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from pathlib import Path

import pandas
import pytest
from sqlalchemy import select

from auditor.report.tables import FORMULA_STARTS
from auditor.store import schema
from auditor.store.audits import create_audit
from auditor.store.lifecycle import cancel_audit
from auditor.store.models import add_model
from auditor.store.removal import remove_audits
from auditor.store.reports import save_report
from auditor.store.session import open_database
from tests.auditor.report.hostile import NAMES, hostile_report
from tests.auditor.report.samples import sample_report
from tests.cli.conftest import ARCHITECTURE, CELLS, DATABASE, Run

STORED = tuple(name for name in NAMES if "\udc80" not in name)
"""The store refuses a lone surrogate."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A home with two audits of models with each name, the plan and the findings named so too; the audits' ids."""
    folder = tmp_path_factory.mktemp("hostile")
    findings = tuple(
        one for one in hostile_report().findings if "\udc80" not in one.claim.text and len(one.claim.method) < 200
    )
    database, audits = open_database(f"sqlite:///{folder / DATABASE}"), []
    with database.transaction() as session:
        for place, name in enumerate(STORED):
            model = add_model(
                session, name=name, format="native", source_sha256="ab" * 32, architecture=ARCHITECTURE,
                task={"brackets": 2, "depth": 4}, weights=bytes([place]), parameters=1,
            )  # fmt: skip
            for seed in range(2):
                one = create_audit(
                    session, model_id=model.id, plan={name: name}, plan_name=name, seed=seed, cells=CELLS,
                    versions={name: name}, label=name,
                )  # fmt: skip
                report = sample_report(name=name, findings=findings if seed else findings[::-1])
                save_report(session, one.id, report)
                audits.append(one.id)
    database.dispose()
    return folder, audits


@pytest.fixture
def home(hostile: tuple[Path, list[str]]) -> Path:
    """The home that ``run`` uses."""
    return hostile[0]


def is_harmless(text: str) -> bool:
    """Whether nothing in a text moves the cursor, reorders or hides letters, or begins a line of its own."""
    return not any(unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") for one in text.replace("\n", ""))


@pytest.mark.parametrize(
    ("command", "rows"),
    [("history", 2 * len(STORED)), ("models list", len(STORED)), ("findings", 100), ("baseline list", len(STORED))],
)
def test_lists_have_one_harmless_line_for_each_row(
    run: Run, hostile: tuple[Path, list[str]], command: str, rows: int
) -> None:
    for audit in hostile[1][::2]:
        assert is_harmless(run("baseline", "set", audit).stdout)
    shown = run(*command.split())
    assert shown.code == 0
    assert is_harmless(shown.stdout)
    assert is_harmless(shown.stderr)
    assert len(shown.stdout.splitlines()) == 1 + rows


def test_conditions_find_names_as_they_are(run: Run, hostile: tuple[Path, list[str]]) -> None:
    for name in STORED:
        assert len(run("history", "--model", name, "--plan", name, "--json").document["audits"]) == 2
        assert is_harmless(run("history", "--plan", f"{name}x").stderr)
    assert run("findings", "--method", STORED[0], "--json").document["findings"]


@pytest.mark.parametrize("form", ["show", "diff", "diff --all", "report --format markdown"])
def test_texts_are_harmless(run: Run, hostile: tuple[Path, list[str]], form: str) -> None:
    command, *options = form.split()
    for first, second in zip(hostile[1][::2], hostile[1][1::2], strict=True):
        named = (first, second) if command == "diff" else (second,)
        shown = run(command, *named, *options)
        assert shown.code == 0, shown.stderr
        assert is_harmless(shown.stdout)
        assert len(shown.stdout) < 1_000_000
        if "markdown" in form:
            raw = "".join(shown.stdout.split("```")[::2]).replace("\\<", "").replace("\\[", "")  # outside of code
            assert "<script" not in raw
            assert "[link](javascript" not in raw


def test_an_audit_without_a_report_is_shown_in_harmless_lines(run: Run, home: Path) -> None:
    database = open_database(f"sqlite:///{home / DATABASE}")
    for name in STORED:
        with database.transaction() as session:
            model = session.execute(select(schema.model.c.id).where(schema.model.c.name == name)).scalar_one()
            one = create_audit(session, model_id=model, plan={}, plan_name=name, seed=9, cells=CELLS, versions={})
        shown = run("show", one.id)
        assert is_harmless(shown.stdout)
        assert len(shown.stdout.splitlines()) == 3
        with database.transaction() as session:
            cancel_audit(session, one.id)
            remove_audits(session, [one.id])
    database.dispose()


def test_documents_hold_names_as_they_are(run: Run, hostile: tuple[Path, list[str]]) -> None:
    shown = run("history", "--json")
    assert shown.stdout.isascii()
    assert {one["model_name"] for one in shown.document["audits"]} == set(STORED)
    for first, second in zip(hostile[1][::2], hostile[1][1::2], strict=True):
        difference = run("diff", first, second, "--json")
        assert difference.stdout.isascii()
        assert difference.document["audits"][0]["model"] in STORED
        assert json.loads(run("report", first, "--format", "json").stdout)["model"]["name"] in STORED


def test_tables_hold_names_and_begin_no_formula(run: Run, hostile: tuple[Path, list[str]], tmp_path: Path) -> None:
    text = run("findings", "--format", "csv").stdout
    rows = list(csv.reader(io.StringIO(text)))
    assert all(len(row) == len(rows[0]) for row in rows)
    for row in rows[1:]:
        texts = [cell for cell in row if not cell.replace(".", "").replace("-", "").replace("e", "").isdigit()]
        assert not any(cell.lstrip(" ").startswith(FORMULA_STARTS) for cell in texts)
        assert all(is_harmless(cell) for cell in row)
    file = tmp_path / "findings.parquet"
    assert run("findings", "--format", "parquet", "--out", file).code == 0
    frame = pandas.read_parquet(file)
    assert len(frame) == len(rows) - 1
    assert set(frame["model"]) == set(STORED)
    assert set(frame["claim"]) <= set(NAMES)
