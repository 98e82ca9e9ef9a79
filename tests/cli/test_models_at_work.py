"""inspect, predict, train, export, catalogue, witness: commands that run a model, on real ones."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from auditor.checkpoints.intake.detection import load
from auditor.contracts import equivalences, methods
from auditor.exports.sealed_folder import Check
from auditor.exports.witness import VerifiedWitness
from auditor.records import Kind
from tests.auditor.report.samples import sample_report
from tests.cli.conftest import MODEL, Ids, Run
from tests.wen2023_files import checkpoint

WEN = checkpoint("example_baseline_seed0")
POSITIONED = "dyck3x3-2layer-4head-positions"


def test_inspect_shows_what_a_checkpoint_is_and_stores_nothing(run: Run, home: Path) -> None:
    found = run("inspect", WEN, "--no-behaviour", "--json").document
    assert (found["format"], found["name"], found["parameters"]) == ("wen2023", WEN.stem, 31608)
    assert len(found["architecture"]["blocks"]) == 2
    assert found["task"]["objective"] == "closing_bracket"
    assert "behaviour" not in found
    assert not home.exists()


def test_inspect_measures_behaviour(run: Run) -> None:
    shown = run("inspect", "zoo:dyck2x4-2layer-2head").stdout
    assert "closing accuracy" in shown
    assert "in distribution" in shown


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_predict_gives_a_line_per_string_in_order(run: Run, tmp_path: Path) -> None:
    """After "(a (b" only the matching bracket closes, and the model has learned which."""
    (tmp_path / "strings.txt").write_text("(a (b\n\n(a a)\n(a b)\n")
    found = lines(run("predict", WEN, "--strings", tmp_path / "strings.txt", "--string", "(b").stdout)
    assert [record["tokens"] for record in found] == [
        ["START", "(b"],
        ["START", "(a", "(b"],
        ["START"],
        ["START", "(a", "a)"],
        ["START", "(a", "b)"],
    ]
    assert [record["stack"] for record in found] == [["(b"], ["(a", "(b"], [], [], None]
    assert [record["legal"] for record in found] == [True, True, True, True, False]
    assert [record["complete"] for record in found] == [False, False, True, True, False]
    assert max(found[1]["next"], key=found[1]["next"].get) == "b)"
    assert all(math.isclose(sum(record["next"].values()), 1.0, abs_tol=1e-9) for record in found)


def test_predict_after_every_token_agrees_with_each_prefix(run: Run) -> None:
    (whole,) = lines(run("predict", WEN, "--string", "(a (b b)", "--all-positions").stdout)
    (prefix,) = lines(run("predict", WEN, "--string", "(a (b").stdout)
    assert [position["token"] for position in whole["positions"]] == whole["tokens"]
    assert whole["positions"][2]["stack"] == prefix["stack"]
    assert whole["positions"][2]["next"] == pytest.approx(prefix["next"], abs=1e-6)


def test_predict_reads_stdin_and_names_the_line_of_a_bad_token(run: Run) -> None:
    refused = run("predict", WEN, "--strings", "-", stdin="(a\n(a x\n")
    assert refused.code == 1
    assert "line 2: unknown token 'x'" in refused.refusal


def test_predict_names_a_string_that_is_too_long(run: Run) -> None:
    refused = run("predict", POSITIONED, "--string", "(a a) " * 40)
    assert refused.code == 1
    assert "string 1: 81 tokens" in refused.refusal


def test_a_missing_strings_file_is_one_line(run: Run, tmp_path: Path) -> None:
    refused = run("predict", WEN, "--strings", tmp_path / "none.txt")
    assert refused.code == 1
    assert "none.txt" in refused.refusal


TINY = ("--steps", 3, "--layers", 1, "--width", 8, "--max-length", 6, "--quiet")


def test_train_writes_a_model_that_every_command_reads(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "tiny.safetensors"
    result = run("train", "--out", out, *TINY, "--positions", "learned", "--brackets", 3, "--json").document
    assert result["file"] == str(out)
    assert 0 <= result["closing_accuracy"] <= 1
    model = load(out).model
    assert (model.architecture.layers, model.architecture.model_width) == (1, 8)
    assert model.task.language.types == 3
    assert run("predict", out, "--string", "(c").code == 0


def test_train_makes_models_of_every_read_out(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "tiny.safetensors"
    switches = ("--positions", "rotary", "--rotary-pairs", "adjacent", "--embedding-norm", "--no-start", "--reads-end")
    assert run("train", "--out", out, *TINY, "--objective", "classifier", "--read-out", "mean", *switches).code == 0
    model = load(out).model
    assert (model.architecture.read_out, model.architecture.rotary_pairs) == ("mean", "adjacent")
    assert model.architecture.norm_sites[0] == "embedding"
    assert model.task.reads_end
    assert model.task.language.vocabulary.start is None
    assert run("predict", out, "--string", "(a a)").code == 0


def test_train_with_one_seed_gives_one_file(run: Run, tmp_path: Path) -> None:
    first, second, other = (tmp_path / f"{name}.safetensors" for name in "abc")
    for file, seed in ((first, 1), (second, 1), (other, 2)):
        assert run("train", "--out", file, *TINY, "--seed", seed).code == 0
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


def test_train_overwrites_only_with_force(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "tiny.safetensors"
    out.write_bytes(b"precious")
    refused = run("train", "--out", out, *TINY)
    assert refused.code == 1
    assert "--force" in refused.refusal
    assert out.read_bytes() == b"precious"
    assert run("train", "--out", out, *TINY, "--force").code == 0
    out.unlink()
    assert "tiny.json exists" in run("train", "--out", out, *TINY).refusal


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "x.pt"], ".safetensors"),
        (["--out", "x.safetensors", "--heads", 3], "multiple of the heads"),
        (["--out", "x.safetensors", "--min-length", 9, "--max-length", 4], "lengths"),
        (["--out", "x.safetensors", "--read-out", "last"], "--objective classifier"),
        (["--out", "x.safetensors", "--positions", "rotary", "--head-width", 3], "rotary_width 3"),
        (["--out", "/proc/x.safetensors"], "no file can be written in /proc"),
    ],
)
def test_train_refuses_what_cannot_be_trained(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = run("train", *arguments)
    assert refused.code == 1
    assert said in refused.refusal
    assert list(tmp_path.iterdir()) == []


def test_a_stored_model_is_exported_as_it_was_read(run: Run, tmp_path: Path) -> None:
    run("submit", WEN)
    out = tmp_path / "copy.safetensors"
    assert run("models", "export", WEN.stem, "--out", out).stdout == f"{out}\n"
    ours, theirs = load(out).model.state_dict(), load(WEN).model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(bool((ours[name] == theirs[name]).all()) for name in ours)


def test_the_catalogue_lists_every_plug_in(run: Run) -> None:
    listed = run("methods", "--json").document["methods"]
    assert [entry["name"] for entry in listed] == list(methods())
    assert all(entry["unit"] and entry["source"] and entry["summary"] for entry in listed)
    changes = run("equivalences", "--json").document["equivalences"]
    assert [entry["name"] for entry in changes] == list(equivalences())
    assert {entry["kind"] for entry in changes} <= {"exact", "behavioural", "input"}
    for command, names in (("methods", methods()), ("equivalences", equivalences())):
        shown = run(command).stdout
        assert all(name in shown for name in names)


def test_the_oracle_predicts_every_method_under_every_exact_change(run: Run) -> None:
    exact = [name for name, one in equivalences().items() if one.kind is Kind.EXACT]
    table = run("methods", "--oracle", "--json").document["oracle"]
    assert list(table) == list(methods())
    assert all(list(row) == exact for row in table.values())
    assert table["ablation_head_zero"]["exact_value_bias_shift"] == "free"
    shown = run("methods", "--oracle").stdout
    assert all(name in shown for name in (*methods(), *exact))


def test_a_witness_is_not_written_over_something(run: Run, ids: Ids, tmp_path: Path) -> None:
    (tmp_path / "note.txt").touch()
    refused = run("witness", f"{ids.done}/f0000", "--out", tmp_path)
    assert refused.code == 1
    assert "not empty" in refused.refusal


@pytest.mark.parametrize("named", [True, False])
def test_a_finding_of_two_audits_is_that_of_the_newest_unless_it_is_named_with_its_audit(
    run: Run, ids: Ids, tmp_path: Path, named: bool
) -> None:
    refused = run("witness", f"{ids.done}/f0000" if named else "f0000", "--out", tmp_path / "w")
    assert refused.code == 1
    assert f"audit {ids.done if named else ids.again} has no variant" in refused.refusal
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("passed", [True, False])
def test_verify_prints_each_check_and_fails_with_the_first(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed: bool
) -> None:
    checks = (Check("files", True, "4 files match"), Check("effect", passed, "0.9, recorded 0.9"))
    found = VerifiedWitness(sample_report(name=MODEL).findings[0], checks)
    monkeypatch.setattr("auditor.exports.witness.verify_witness", lambda *_, **__: found)
    result = run("verify", tmp_path)
    assert result.code == (0 if passed else 1)
    assert "4 files match" in result.stdout
    if not passed:
        assert "effect" in result.refusal
    document = run("verify", tmp_path, "--json").document
    assert (document["passed"], document["finding"]["id"]) == (passed, "f0000")


def test_verify_refuses_a_folder_that_is_no_witness(run: Run, tmp_path: Path) -> None:
    refused = run("verify", tmp_path)
    assert refused.code == 1
    assert "dyck-audit: " in refused.refusal
