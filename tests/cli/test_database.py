"""models, db, doctor: what is kept and whether it can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.store.revisions import head
from cli.diagnosis import machine
from tests.cli.conftest import DATABASE, MODEL, Ids, Run


def test_models_are_listed_and_shown_by_name(run: Run, ids: Ids) -> None:
    listed = run("models", "list").stdout
    for word in (ids.model, MODEL, "2L 2H 32d", "1,234", "Dyck(2, 4)"):
        assert word in listed
    shown = run("models", "show", MODEL, "--json").document
    assert shown["id"] == ids.model
    assert shown["audits"] == [ids.queued, ids.failed, ids.again, ids.done]
    assert ids.queued in run("models", "show", ids.model[:5]).stdout


def test_a_model_with_audits_is_not_removed_by_accident(run: Run, ids: Ids) -> None:
    refused = run("models", "remove", MODEL)
    assert refused.code == 1
    assert "--with-audits" in refused.refusal
    assert run("cancel", ids.queued).code == 0
    assert run("retry", ids.failed).code == 0
    assert run("cancel", ids.failed).code == 0
    assert run("models", "remove", MODEL, "--with-audits").code == 0
    assert run("models", "list", "--json").document == {"models": []}
    assert run("history", "--json").document == {"audits": [], "next": None}


def test_bundled_models_are_listed_with_their_accuracy(run: Run, home: Path) -> None:
    names = [card["name"] for card in run("models", "zoo", "--json").document["models"]]
    assert "dyck2x4-2layer-2head" in names
    table = run("models", "zoo").stdout
    assert all(name in table for name in names)
    assert not home.exists()


def test_a_database_is_made_moved_and_checked(run: Run, home: Path) -> None:
    assert run("db", "current", "--json").document["revision"] is None
    assert not home.exists()
    assert "dyck-audit db upgrade" in run("db", "check").refusal
    assert "dyck-audit db upgrade" in run("db", "downgrade", "base").refusal
    assert head() in run("db", "upgrade").stdout
    assert (home / DATABASE).is_file()
    assert run("db", "check").code == 0
    assert "none" in run("db", "downgrade", "base").stdout
    assert run("db", "check").code == 1
    assert run("db", "upgrade", "nonsense").code == 1


def test_a_database_at_another_revision_is_refused_with_the_command(run: Run, ids: Ids, home: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(home / DATABASE)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '20200101_older'")
    connection.close()
    refused = run("history")
    assert refused.code == 1
    assert "dyck-audit db upgrade" in refused.refusal


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--database-url", "mysql://somewhere", "sqlite:///FILE"),
        ("--database-url", "postgresql://user:secret@127.0.0.1:1/none", "***"),
        ("--home", "/dev/null/home", "--home DIR"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line(run: Run, option: str, value: str, said: str) -> None:
    refused = run("history", option, value)
    assert refused.code == 1
    assert said in refused.refusal
    assert "secret" not in refused.stderr


def test_doctor_finds_a_healthy_place_healthy(run: Run, ids: Ids) -> None:
    found = run("doctor", "--json")
    assert found.code == 0, found.stderr
    assert found.document["ok"]
    checked = {check["what"]: check for check in found.document["checks"]}
    assert {"python", "torch", "captum", "celery", "sqlalchemy", "home", "database", "local broker"} <= set(checked)
    assert head() in checked["revision"]["found"]
    assert checked["database"]["found"].startswith("SQLite 3.")
    assert checked["clock"]["state"] == "ok"


def test_doctor_names_what_is_broken_and_what_to_type(run: Run, home: Path) -> None:
    home.write_text("a file where the folder should be")
    found = run("doctor", "--broker-url", "redis://127.0.0.1:1/0", "--json")
    assert found.code == 1
    broken = {check["what"]: check["action"] for check in found.document["checks"] if not check["ok"]}
    assert set(broken) == {"home", "broker"}
    assert "--home" in broken["home"]
    assert "broker" in broken["broker"]
    assert "2 of" in found.stderr


def test_doctor_names_a_library_that_does_not_load(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "IMPORTED", ("no_such_library",))
    found = run("doctor")
    assert found.code == 1
    assert "pip install --force-reinstall no_such_library" in found.stdout


def test_doctor_shows_the_problem_of_a_database(run: Run) -> None:
    found = run("doctor", "--database-url", "mysql://x", "--json")
    assert found.code == 1
    assert not next(check for check in found.document["checks"] if check["what"] == "database")["ok"]


def test_a_database_of_an_earlier_version_in_the_home_is_brought_up(run: Run, ids: Ids, home: Path) -> None:
    """The default file is upgraded and keeps its rows. A file that the user named is not changed."""
    assert run("db", "downgrade", "20261122_first_tables").code == 0
    found = run("history", "--json")
    assert "was at revision 20261122_first_tables" in found.stderr
    assert ids.done in {audit["id"] for audit in found.document["audits"]}
    run("db", "downgrade", "20261122_first_tables")
    named = run("history", "--database-url", f"sqlite:///{home}/./dyck-audit.sqlite3")
    assert "type `dyck-audit db upgrade`" in named.refusal
