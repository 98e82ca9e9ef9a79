"""Other people's checkpoints through every command that reads one: entries, notes, templates."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.cli.conftest import Run
from tests.foreign.states import STATES

pytestmark = pytest.mark.slow

CLAIMS = '[[claim]]\nname = "mean"\ncomponent = "L0H0"\nmethod = "ablation_head_mean"\nstatement = "top-1"\n'


@pytest.fixture
def averaged(tmp_path: Path) -> tuple[Path, Path]:
    """A checkpoint with a model and its average, and its description."""
    described = STATES["torch_encoder"]()
    average = {f"module.{name}": tensor for name, tensor in described.tensors.items()}
    content = {"model": dict(described.tensors), "ema": {"n_averaged": torch.tensor(3), **average}, "epoch": 3}
    return described.save(tmp_path, content)


def _commands(checkpoint: Path, config: Path, folder: Path) -> dict[str, list[object]]:
    claims = folder / "claims.toml"
    claims.write_text(CLAIMS)
    described: list[object] = [checkpoint, "--config", config]
    return {
        "inspect": ["inspect", *described, "--no-behaviour"],
        "inspect --template": ["inspect", *described, "--template"],
        "predict": ["predict", *described, "--string", "()"],
        "submit": ["submit", *described],
        "submit --explain": ["submit", *described, "--explain"],
        "twin": ["twin", *described, "--equivalence", "exact_key_bias_shift", "--out", folder / "twin"],
        "gate": ["gate", claims, checkpoint, "--config", config],
    }


@pytest.mark.parametrize("command", ["inspect", "inspect --template", "predict", "submit", "twin", "gate"])
def test_every_command_asks_for_the_entry(
    command: str, averaged: tuple[Path, Path], run: Run, home: Path, tmp_path: Path
) -> None:
    refused = run(*_commands(*averaged, tmp_path)[command])
    assert refused.code == 1
    assert "2 entries hold weights: model, ema; expected one; choose one with --entry NAME" in refusal(refused)
    assert not home.exists()


def refusal(outcome: Any) -> str:
    return str(outcome.refusal)


@pytest.mark.parametrize("command", ["inspect", "inspect --template", "predict", "submit", "twin"])
def test_every_command_takes_the_entry_and_lists_what_was_left_out(
    command: str, averaged: tuple[Path, Path], run: Run, tmp_path: Path
) -> None:
    done = run(*_commands(*averaged, tmp_path)[command], "--entry", "ema")
    assert done.code == 0, done.stderr
    assert "the weights are the entry 'ema'; not read: model, epoch" in done.stderr
    assert "n_averaged" in done.stderr
    assert run(*_commands(*averaged, tmp_path)["inspect"], "--entry", "ema", "--quiet").stderr == ""


def test_a_manifest_names_the_entry(averaged: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    checkpoint, config = averaged
    lines = ["checkpoint,config,entry", *(f"{checkpoint},{config},{entry}" for entry in ("ema", "", "emma"))]
    (tmp_path / "m.csv").write_text("\n".join(lines) + "\n")
    done = run("batch", tmp_path / "m.csv", "--json")
    assert [entry["status"] for entry in done.document["entries"]] == ["submitted", "failed", "failed"]
    assert "--entry" in done.document["entries"][1]["result"]
    assert "'emma'" in done.document["entries"][2]["result"]
    assert "the weights are the entry 'ema'" in done.document["entries"][0]["notes"][0]
    assert "the weights are the entry 'ema'" in run("batch", tmp_path / "m.csv").stderr


def test_what_was_not_read_is_in_the_document(averaged: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    found = run(*_commands(*averaged, tmp_path)["inspect"], "--entry", "ema", "--json").document
    assert found["precision"] == "float64"
    assert len(found["notes"]) == 3


@pytest.mark.parametrize("format_", STATES)
def test_a_template_is_toml_on_stdout(format_: str, run: Run, home: Path, tmp_path: Path) -> None:
    path, config = STATES[format_]().save(tmp_path)
    config.unlink()
    shown = run("inspect", path, "--template")
    assert shown.code == 0
    assert tomllib.loads(shown.stdout)["schema"] == "dyck-audit/config/1"
    assert "NEEDED" in shown.stdout
    assert not home.exists()


def test_a_template_of_no_known_format_lists_the_tensors_and_fails(run: Run, tmp_path: Path) -> None:
    torch.save(torch.nn.LSTM(2, 2).state_dict(), tmp_path / "m.pt")
    shown = run("inspect", tmp_path / "m.pt", "--template")
    assert shown.code == 1
    assert "#   weight_ih_l0  [8, 2]  float32" in shown.stdout
    assert "belongs to a recurrent network, which is not supported" in refusal(shown)


def test_both_precisions_are_shown(run: Run, tmp_path: Path) -> None:
    described = STATES["torch_encoder"]()
    path, config = described.save(tmp_path, {name: tensor.half() for name, tensor in described.tensors.items()})
    shown = run("predict", path, "--config", config, "--string", "()", "--all-positions")
    tokens = np.array([[0, 1, 2]])
    reference = tmp_path / "reference.json"
    reference.write_text(json.dumps({"tokens": tokens.tolist(), "logits": np.zeros((1, 3, 7)).tolist()}))
    assert shown.code == 0
    refused = run("inspect", path, "--config", config, "--reference", reference, "--no-behaviour")
    assert "for a checkpoint in float16 and a reference in float32" in refusal(refused)
