"""Manifests and folders as entries; a bad entry is reported by name and does not affect the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.errors import PlanError
from cli.manifest import Entry, read_manifest

BUNDLED = "dyck2x4-2layer-2head"


def written(tmp_path: Path, name: str, text: str) -> Path:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def test_paths_in_a_manifest_are_relative_to_it(tmp_path: Path) -> None:
    manifest = written(
        tmp_path,
        "m.toml",
        '[[audit]]\ncheckpoint = "a.pt"\nconfig = "a.yaml"\nname = "A"\nplan = "mine.toml"\nseed = 3\n'
        'format = "wen2023"\n'
        '[[audit]]\ncheckpoint = "/models/b.pt"\nplan = "full"\n',
    )
    assert read_manifest(manifest) == [
        Entry("audit 1", str(tmp_path / "a.pt"), tmp_path / "a.yaml", "A", str(tmp_path / "mine.toml"), 3, "wen2023"),
        Entry("audit 2", "/models/b.pt", plan="full"),
    ]


def test_a_csv_line_is_an_entry_and_an_empty_cell_is_not_given(tmp_path: Path) -> None:
    manifest = written(tmp_path, "m.csv", "checkpoint,seed,name\na.pt,7,\n\n b.pt,,B\n")
    assert read_manifest(manifest) == [
        Entry("line 2", str(tmp_path / "a.pt"), seed=7),
        Entry("line 4", str(tmp_path / "b.pt"), name="B"),
    ]


def test_bundled_models_go_by_name_unless_a_file_has_it(tmp_path: Path) -> None:
    manifest = written(tmp_path, "m.csv", f"checkpoint\n{BUNDLED}\nzoo:{BUNDLED}\n")
    assert [entry.checkpoint for entry in read_manifest(manifest)] == [f"zoo:{BUNDLED}"] * 2
    (tmp_path / BUNDLED).touch()
    assert read_manifest(manifest)[0].checkpoint == str(tmp_path / BUNDLED)


def test_a_folder_gives_its_checkpoints_in_order(tmp_path: Path) -> None:
    for name in ("b.params", "a.safetensors", "c.pt", "a.yaml", "notes.txt", "d.ckpt", "e.bin"):
        (tmp_path / name).touch()
    (tmp_path / "f.pt").mkdir()
    found = [entry.where for entry in read_manifest(tmp_path)]
    assert found == ["a.safetensors", "b.params", "c.pt", "d.ckpt", "e.bin"]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ('checkpoint = "a.pt"\ncolour = "red"', "unknown field 'colour'"),
        ('name = "A"', "no checkpoint"),
        ('checkpoint = "a.pt"\nseed = -1', "seed = -1"),
        ('checkpoint = "a.pt"\nseed = true', "seed = True"),
        ('checkpoint = "a.pt"\nseed = 1.5', "seed = 1.5"),
        ("checkpoint = 3", "checkpoint = 3"),
        ('checkpoint = "a.pt"\nplan = ""', "plan = ''"),
    ],
)
def test_a_bad_entry_is_named_and_stops_no_other(tmp_path: Path, fields: str, problem: str) -> None:
    manifest = written(tmp_path, "m.toml", f'[[audit]]\n{fields}\n[[audit]]\ncheckpoint = "b.pt"\n')
    bad, good = read_manifest(manifest)
    assert (bad.where, good.problem) == ("audit 1", "")
    assert problem in bad.problem
    assert "expected" in bad.problem


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.toml", "[[audit]\n", "m.toml"),
        ("m.toml", 'audits = "x"\n', "unknown field 'audits'"),
        ("m.toml", "audit = 3\n", "two brackets"),
        ("m.toml", "", "no audits"),
        ("m.csv", "file\na.pt\n", "no column checkpoint"),
        ("m.csv", "checkpoint\n", "no audits"),
        ("m.csv", 'checkpoint\n"a.pt\n', "m.csv"),
        ("m.json", "{}", "not a manifest"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(PlanError, match="expected") as refused:
        read_manifest(written(tmp_path, name, text))
    assert said in str(refused.value)


def test_no_manifest_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no audits"):
        read_manifest(tmp_path)
    with pytest.raises(PlanError, match="no manifest"):
        read_manifest(tmp_path / "none.toml")
