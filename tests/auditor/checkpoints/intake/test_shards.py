"""Weights that are split over several files of a folder, with an index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from auditor.canonical.serialisation import weights_bytes
from auditor.checkpoints.intake.detection import load
from auditor.errors import CheckpointError
from tests.foreign.states import STATES


def _split(folder: Path, *, parts: int = 3, torch_save: bool = False) -> tuple[Path, Path, Path]:
    """(split folder, whole folder, description)."""
    described = STATES["huggingface_gpt2"]()
    whole, config = described.save(folder / "whole")
    split, _ = described.save(folder / "split")
    (split / "model.safetensors").unlink()
    stem, ending = ("pytorch_model", "bin") if torch_save else ("model", "safetensors")
    places: dict[str, str] = {}
    for part in range(parts):
        tensors = {name: t.contiguous().clone() for name, t in list(described.tensors.items())[part::parts]}
        file = f"{stem}-{part + 1:05}-of-{parts:05}.{ending}"
        if torch_save:
            torch.save(tensors, split / file)
        else:
            save_file(tensors, split / file)
        places |= dict.fromkeys(tensors, file)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (split / f"{stem}.{ending}.index.json").write_text(json.dumps(index))
    return split, whole, config


@pytest.mark.parametrize("torch_save", [False, True])
@pytest.mark.parametrize("parts", [1, 3])
def test_split_weights_are_those_of_one_file(torch_save: bool, parts: int, tmp_path: Path) -> None:
    split, whole, config = _split(tmp_path, parts=parts, torch_save=torch_save)
    one, several = load(whole, config=config), load(split, config=config)
    assert weights_bytes(one.model) == weights_bytes(several.model)
    assert several.name == "gpt2"
    index = next(split.glob("*.index.json"))
    assert load(index, config=config).sha256 == several.sha256 != one.sha256


def _edit(split: Path, **places: Any) -> None:
    index = split / "model.safetensors.index.json"
    data = json.loads(index.read_text())
    data["weight_map"] |= places
    index.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ({"lm_head.weight": "../elsewhere.safetensors"}, "a file in the same folder"),
        ({"lm_head.weight": "/etc/passwd"}, "a file in the same folder"),
        ({"lm_head.weight": 3}, "a file in the same folder"),
        ({"lm_head.weight": ".."}, "a file in the same folder"),
        ({"other": "model-00001-of-00003.safetensors"}, "'other' is missing from it"),
        ({"other": "absent.safetensors"}, "no file"),
        ({f"t{i}": f"f{i}.safetensors" for i in range(100)}, "103 files"),
    ],
)
def test_an_index_names_only_files_beside_it(places: dict[str, Any], words: str, tmp_path: Path) -> None:
    split, _, config = _split(tmp_path)
    _edit(split, **places)
    with pytest.raises(CheckpointError, match=words):
        load(split, config=config)


@pytest.mark.parametrize("content", ["{}", '{"weight_map": []}', '{"weight_map": {}}', "[1]", "{"])
def test_an_index_that_is_none_is_refused(content: str, tmp_path: Path) -> None:
    split, _, config = _split(tmp_path)
    (split / "model.safetensors.index.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors\.index\.json"):
        load(split, config=config)


def test_a_part_that_is_a_link_is_refused(tmp_path: Path) -> None:
    split, _, config = _split(tmp_path)
    part = split / "model-00002-of-00003.safetensors"
    part.rename(tmp_path / "blob")
    part.symlink_to(tmp_path / "blob")
    with pytest.raises(CheckpointError, match="a symbolic link"):
        load(split, config=config)


def test_a_tensor_that_the_index_does_not_place_is_refused(tmp_path: Path) -> None:
    split, _, config = _split(tmp_path)
    index = split / "model.safetensors.index.json"
    data = json.loads(index.read_text())
    del data["weight_map"]["lm_head.weight"]
    index.write_text(json.dumps(data))
    with pytest.raises(CheckpointError, match=r"'lm_head\.weight' is in it, which the index does not place there"):
        load(split, config=config)
