"""From a path to a model: the format is found, missing facts are asked for, nonsense is refused."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

from auditor import zoo
from auditor.checkpoints.intake.detection import choose, load, probe
from auditor.checkpoints.native_file import save_native
from auditor.contracts import Weights, adapters
from auditor.errors import CheckpointError, ConfigurationError, FormatError
from tests.wen2023_files import FOLDER, checkpoint

NAME = "balance_acc_baseline_seed0"


def test_a_yaml_beside_the_checkpoint_is_enough() -> None:
    loaded = load(checkpoint(NAME))
    assert (loaded.format, loaded.name) == ("wen2023", NAME)


def test_a_description_elsewhere_is_named(tmp_path: Path) -> None:
    alone = tmp_path / "lm.params"
    shutil.copy(checkpoint(NAME), alone)
    with pytest.raises(ConfigurationError, match="--config"):
        load(alone)
    loaded = load(str(alone), config=str(FOLDER / f"{NAME}.yaml"))
    assert (loaded.format, loaded.name) == ("wen2023", "lm")


def test_the_format_can_be_forced_and_must_exist() -> None:
    assert load(checkpoint(NAME), format="wen2023").format == "wen2023"
    with pytest.raises(FormatError, match=re.escape(" or ".join(adapters()))):
        load(checkpoint(NAME), format="wen2024")
    with pytest.raises(CheckpointError):
        load(checkpoint(NAME), format="native")


def test_a_native_file_needs_nothing_beside_it(tmp_path: Path) -> None:
    model = load(checkpoint(NAME)).model
    save_native(model, tmp_path / "copy.safetensors")
    (tmp_path / "copy.json").unlink()
    loaded = load(tmp_path / "copy.safetensors")
    assert loaded.format == "native"
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.model.parameters(), strict=True))


def test_tensors_of_no_format_name_the_formats(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(safetensors.torch.save({"fc.weight": torch.ones(2, 2)}))
    with pytest.raises(FormatError, match=rf"fc\.weight.*{re.escape(' or '.join(adapters()))}.*--format"):
        load(path)


def test_tensors_of_two_formats_name_both(monkeypatch: pytest.MonkeyPatch) -> None:
    for adapter in adapters().values():
        monkeypatch.setattr(type(adapter), "recognises", lambda *_: True)
    with pytest.raises(FormatError, match=f"{re.escape(' or '.join(adapters()))}; choose one with --format"):
        choose(Weights({"w": torch.ones(1)}, None))


def test_finite_weights_with_infinite_logits_are_refused() -> None:
    model = load(checkpoint(NAME)).model
    with torch.no_grad():
        model.W_U.fill_(3e38)
    with pytest.raises(CheckpointError, match="logits"):
        probe(model)


def test_a_file_name_that_is_no_text_still_names_the_model(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"odd\xff.safetensors")
    try:
        file.write_bytes(zoo.path("dyck2x4-2layer-2head").read_bytes())
    except OSError:
        pytest.skip("this file system takes only text as names")
    assert load(file).name == "odd?"
