"""twin: one variant with its certificate, from a checkpoint to a folder that verify reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.checkpoints.native_file import save_native
from cli.twin import certificate_rows
from tests.auditor.behaviour.test_certificate import ENOUGH, _behavioural
from tests.auditor.small_audits import small_model
from tests.cli.conftest import Run
from tests.handmade import stack_model


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A small model of random weights."""
    path = tmp_path / "model.safetensors"
    save_native(small_model(), path)
    return path


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan of few sequences."""
    path = tmp_path / "few.toml"
    path.write_text("sequences = 8\ncertificate_sequences = 100\nlonger_sequences = 4\n", encoding="utf-8")
    return path


def test_a_twin_is_written_printed_and_verified(run: Run, checkpoint: Path, plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "twin"
    arguments = ("--equivalence", "exact_value_bias_shift", "--plan", plan, "--set", "target=L0H1", "--out", out)
    result = run("twin", checkpoint, *arguments)
    assert result.code == 0, result.stderr
    assert "certified" in result.stdout
    assert "L0H1" in result.stdout
    assert "max abs logit difference" in result.stdout
    assert f"`dyck-audit verify {out}`" in result.stderr
    verified = run("verify", out)
    assert verified.code == 0
    assert "3 checks passed" in verified.stdout
    document = run("verify", out, "--json").document
    assert document["passed"]
    assert document["variant"]["equivalence"] == "exact_value_bias_shift"
    assert [check["name"] for check in document["checks"]] == ["files", "certificate", "recorded"]


def test_the_variant_as_a_document(run: Run, checkpoint: Path, plan: Path, tmp_path: Path) -> None:
    arguments = ("--equivalence", "exact_head_permutation", "--plan", plan, "--out", tmp_path / "t", "--json")
    found = run("twin", checkpoint, *arguments).document
    assert found["directory"] == str(tmp_path / "t")
    assert found["variant"]["state"] == "certified"
    assert found["variant"]["certificate"]["passed"]


def test_what_is_not_certified_is_written_and_exits_1(run: Run, checkpoint: Path, plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "t"
    arguments = ("--equivalence", "input_bracket_relabelling", "--plan", plan, "--out", out)
    result = run("twin", checkpoint, *arguments, "--quiet")
    assert result.code == 1
    assert "is not certified: kl_upper95_nats" in result.refusal
    assert str(out) in result.refusal
    assert "at most" in result.stdout
    failed = run("verify", out, "--quiet")
    assert failed.code == 1
    assert "certificate" in failed.refusal


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--equivalence", "exact_embedding_trade"), "makes no twin of model: "),
        (("--equivalence", "nonsense"), "unknown equivalence 'nonsense'"),
        (("--equivalence", "exact_value_bias_shift", "--set", "target=L9H9"), "target=L0H0|L0H1"),
        (("--equivalence", "exact_head_permutation", "--set", "target=L0H0"), "expected no parameters"),
    ],
)
def test_what_cannot_be_made_is_one_line_and_no_folder(
    run: Run, checkpoint: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    refused = run("twin", checkpoint, *arguments, "--out", tmp_path / "t")
    assert refused.code == 1
    assert words in refused.refusal
    assert not (tmp_path / "t").exists()


def test_a_setting_without_a_value_is_a_usage_error(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    refused = run("twin", checkpoint, "--equivalence", "x", "--set", "target", "--out", tmp_path / "t")
    assert refused.code == 2
    assert "NAME=VALUE" in refused.refusal


def test_a_folder_with_something_in_it_is_left_alone(run: Run, checkpoint: Path) -> None:
    refused = run("twin", checkpoint, "--equivalence", "exact_head_permutation", "--out", checkpoint.parent)
    assert refused.code == 1
    assert "is not empty" in refused.refusal


def test_every_margin_is_shown_with_the_number_it_bounds() -> None:
    certificate = _behavioural(stack_model(), stack_model(), count=ENOUGH // 8)
    rows = {name: (found, most) for name, found, most in certificate_rows(certificate)}
    assert rows["closing accuracy upper95"] == ("0.03", "0.005")
    assert rows["closing accuracy"] == ("1 and 1", "–")
    assert rows["kl upper95 nats"][1] == "0.002"
    assert rows["disagreement upper95"][1] == "0.01"


def test_the_catalogue_names_kind_plan_needs_promise_and_source(run: Run) -> None:
    listed = {entry["name"]: entry for entry in run("equivalences", "--json").document["equivalences"]}
    assert listed["input_pumping"]["kind"] == "input"
    assert listed["input_pumping"]["smallest_plan"] == "standard"
    assert listed["exact_head_splitting"]["widens"]
    assert all(entry[fact] for entry in listed.values() for fact in ("needs", "promise", "source", "summary"))
    header, *lines = run("equivalences").stdout.splitlines()
    for column in ("equivalence", "kind", "from plan", "needs", "promise", "source"):
        assert column in header
    assert len(lines) >= len(listed)
