"""Folders: which of their files are audited, which commands may make a database, and where nothing may be made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from auditor import zoo
from auditor.settings import BROKER_VARIABLE, DATABASE_VARIABLE
from cli.folder import look_through
from tests.cli.conftest import Ids, Run
from tests.foreign import MAKERS
from tests.foreign.files import save

pytestmark = pytest.mark.slow

MODEL = zoo.path("dyck2x4-2layer-2head")
ENDINGS = ("a.safetensors", "b.PT", "c.pth", "d.Ckpt", "e.BIN", "f.params", "g.pt")


def test_a_folder_gives_every_kind_of_checkpoint_and_the_rest_with_a_reason(tmp_path: Path) -> None:
    for name in (*ENDINGS, "c.toml", "lonely.yaml", "notes.txt", ".hidden.pt", "optimizer.pt", "README"):
        (tmp_path / name).touch()
    for name, files in {
        "gpt2": ("config.json", "model.safetensors"),
        "sharded": ("config.json", "model.safetensors.index.json", "model-00001-of-00001.safetensors"),
        "old": ("config.json", "pytorch_model.bin"),
        "runs": ("x.pt", "y.pth", "z.txt"),
        "figures": ("a.png",),
    }.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).touch()
    (tmp_path / "gpt2.json").touch()
    found, skipped = look_through(tmp_path)
    assert [path.name for path in found] == sorted([*ENDINGS, "gpt2", "sharded", "old"])
    reasons = {one.name: one.reason for one in skipped}
    assert set(reasons) == {"lonely.yaml", "notes.txt", ".hidden.pt", "optimizer.pt", "README", "runs", "figures"}
    assert "describes no checkpoint" in reasons["lonely.yaml"]
    assert ".txt" in reasons["notes.txt"]
    assert "training state" in reasons["optimizer.pt"]
    assert "2 checkpoints in it" in reasons["runs"]
    assert "no checkpoint in it" in reasons["figures"]


def test_a_folder_of_hugging_face_is_one_checkpoint(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "training_args.bin", "pytorch_model.bin"):
        (tmp_path / name).touch()
    assert look_through(tmp_path) == ([tmp_path], [])


def test_a_batch_of_a_folder_submits_them_and_lists_what_it_skipped(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    saved = save(MAKERS["torch_encoder"](0), folder)
    saved.checkpoint.rename(folder / "a.pth")
    saved.config.rename(folder / "a.yaml")
    saved.reference.unlink()
    shutil.copy(MODEL, folder / "b.SAFETENSORS")
    saved = save(MAKERS["huggingface_gpt2"](0), tmp_path / "other")
    shutil.copytree(saved.checkpoint, folder / "gpt2")
    saved.config.rename(folder / "gpt2.yaml")
    (folder / "notes.txt").write_text("two runs")
    ended = run("batch", folder, "--json")
    assert ended.code == 0, ended.stderr
    assert [(e["entry"], e["status"]) for e in ended.document["entries"]] == [
        ("a.pth", "submitted"),
        ("b.SAFETENSORS", "submitted"),
        ("gpt2", "submitted"),
    ]
    assert [one["name"] for one in ended.document["skipped"]] == ["notes.txt"]
    assert ended.document["summary"] == {"submitted": 3, "already there": 0, "failed": 0, "skipped": 1}
    shutil.rmtree(folder / "gpt2")
    (folder / "a.pth").unlink()
    table = run("batch", folder).stdout
    assert ".txt" in next(line for line in table.splitlines() if line.startswith("notes.txt"))
    assert table.splitlines()[-1] == "0 submitted, 1 already there, 0 failed, 3 skipped"


def test_a_folder_without_checkpoints_lists_its_content(run: Run, home: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").touch()
    assert "notes.txt: ending '.txt'" in run("batch", tmp_path / "in").refusal
    assert "no manifest" in run("batch", tmp_path / "inn").refusal
    assert not home.exists()


READING = (
    ("history",),
    ("findings",),
    ("show",),
    ("report",),
    ("diff", "a", "b"),
    ("models", "list"),
    ("models", "remove", "a"),
    ("watch",),
    ("cancel", "latest"),
    ("retry", "latest"),
    ("worker",),
    ("db", "current"),
    ("db", "check"),
    ("db", "downgrade", "base"),
    ("doctor",),
)
MAKING = (("submit", f"{MODEL}"), ("db", "upgrade"))


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_command_that_reads_makes_no_database_that_was_named(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    for file in (tmp_path / "typo.sqlite3", tmp_path / "typo" / "audits.sqlite3"):
        refused = run("--database-url", f"sqlite:///{file}", *command)
        assert refused.code == 1
        assert f"there is no database at {file}" in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", MAKING, ids=lambda words: words[0])
def test_a_command_that_stores_makes_the_file_but_not_its_folder(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    refused = run("--database-url", f"sqlite:///{tmp_path}/typo/audits.sqlite3", *command)
    assert f"there is no folder {tmp_path}/typo for the database; expected an existing folder" in refused.refusal
    assert list(tmp_path.iterdir()) == []
    assert run("--database-url", f"sqlite:///{tmp_path}/audits.sqlite3", *command).code == 0
    assert (tmp_path / "audits.sqlite3").is_file()


def test_a_database_named_by_the_environment_is_named(
    run: Run, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from cli.main import app

    environment = {DATABASE_VARIABLE: f"sqlite:///{tmp_path}/typo.sqlite3", BROKER_VARIABLE: None}
    assert CliRunner().invoke(app, ["history"], env=environment).exit_code == 1
    assert not (tmp_path / "typo.sqlite3").exists()


def test_the_database_of_the_home_is_made_with_its_home(run: Run, home: Path) -> None:
    assert run("history").code == 0
    assert home.is_dir()
    named = home.parent / "other"
    assert run("--home", named, "--database-url", f"sqlite:///{named}/mine.sqlite3", "db", "upgrade").code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("report", "done"),
        ("demo",),
        ("train", "--steps", "1"),
        ("models", "export", "model"),
        ("twin", str(MODEL), "--equivalence", "exact_head_permutation"),
        ("witness", "anything"),
    ],
    ids=lambda words: words[0],
)
def test_nothing_is_written_into_a_folder_that_is_not_there(
    run: Run, ids: Ids, tmp_path: Path, command: tuple[str, ...]
) -> None:
    out = tmp_path / "typo" / "out.safetensors"
    refused = run(*(getattr(ids, word, word) for word in command), "--out", out)
    assert refused.code == 1
    assert f"there is no folder {tmp_path / 'typo'} for out.safetensors; expected an existing folder" in refused.refusal
    assert not (tmp_path / "typo").exists()


def test_a_report_for_a_gate_needs_its_folder_before_the_audit(run: Run, tmp_path: Path) -> None:
    claims = tmp_path / "claims.toml"
    claims.write_text(run("gate", "--example").stdout)
    refused = run("gate", claims, MODEL, "--junit", tmp_path / "typo" / "junit.xml")
    assert "there is no folder" in refused.refusal
