"""What enclosing modules put in front of names is taken off, for every format, and said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from auditor.canonical.serialisation import weights_bytes
from auditor.checkpoints.intake.detection import load
from auditor.checkpoints.intake.name_prefixes import common_prefix, cut, without_wrappers
from auditor.errors import FormatError
from tests.foreign.states import STATES
from tests.wen2023_files import FOLDER, checkpoint

pytestmark = pytest.mark.slow

PREFIXES = ["module.", "_orig_mod.", "model.", "_orig_mod.module.", "module._orig_mod.", "net.module.model.", "gpt."]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("format_", STATES)
def test_a_prefix_of_all_names_changes_nothing(format_: str, prefix: str, tmp_path: Path) -> None:
    described = STATES[format_]()
    plain, config = described.save(tmp_path / "plain")
    longer, _ = described.renamed(prefix).save(tmp_path / "longer")
    found = load(longer, config=config)
    assert found.format == format_
    assert weights_bytes(found.model) == weights_bytes(load(plain, config=config).model)
    assert "taken off the names" in " ".join(found.notes)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.module."])
def test_a_prefix_before_the_names_of_a_format_that_begin_alike(prefix: str, tmp_path: Path) -> None:
    name = "balance_acc_baseline_seed0"
    state = torch.load(checkpoint(name), weights_only=True)  # noqa: TID251 - a file of ours
    torch.save({prefix + key: tensor for key, tensor in state.items()}, tmp_path / "m.pt")
    found = load(tmp_path / "m.pt", config=FOLDER / f"{name}.yaml")
    assert weights_bytes(found.model) == weights_bytes(load(checkpoint(name)).model)


@pytest.mark.parametrize("part", ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."])
@pytest.mark.parametrize("format_", STATES)
def test_a_wrapped_layer_changes_nothing(format_: str, part: str, tmp_path: Path) -> None:
    described = STATES[format_]()
    plain, config = described.save(tmp_path / "plain")
    layer = next(at for at in ("layers.0.", "h.0.", "blocks.0.") if any(at in name for name in described.tensors))
    renamed = {name.replace(layer, layer + part): tensor for name, tensor in described.tensors.items()}
    content = {"model": renamed, "model_args": described.library} if format_ == "nanogpt" else renamed
    wrapped, _ = described.save(tmp_path / "wrapped", content)
    assert weights_bytes(load(wrapped, config=config).model) == weights_bytes(load(plain, config=config).model)


def test_a_description_may_name_tensors_with_or_without_the_prefix(tmp_path: Path) -> None:
    described = STATES["torch_encoder"]()
    names = {key: f"module.{value}" for key, value in described.configuration["names"].items()}
    longer = type(described)("torch_encoder", described.tensors, {**described.configuration, "names": names})
    path, config = longer.renamed("module.").save(tmp_path / "longer")
    plain, short = described.save(tmp_path / "plain")
    assert weights_bytes(load(path, config=config).model) == weights_bytes(load(plain, config=short).model)


def test_a_tensor_of_another_module_is_named_and_can_be_ignored(tmp_path: Path) -> None:
    described = STATES["torch_encoder"]()
    content = {**described.renamed("model.").tensors, "loss.weight": torch.ones(7)}
    path, config = described.save(tmp_path, content)
    with pytest.raises(FormatError, match=r"'model\.' is not before 'loss\.weight'.*names\.ignore"):
        load(path, config=config)
    config.write_text(config.read_text().replace("names:", "names:\n  ignore: [loss.weight]"))
    assert load(path, config=config).format == "torch_encoder"


def test_the_common_prefix_ends_at_a_dot() -> None:
    assert common_prefix(["module.ab.x", "module.ac.y"]) == "module."
    assert common_prefix(["a.b.c"]) == "a.b."
    assert common_prefix(["a", "a.b"]) == ""
    assert common_prefix([]) == ""


def test_a_prefix_that_belongs_to_the_format_stays() -> None:
    names = ["module.transformer.wte.weight", "module.transformer.h.0.x"]
    assert cut(names, r"(?:transformer\.)?wte\.weight") == "module."
    assert cut(names, "") == ""
    assert cut(names, "absent") == ""


def test_two_names_that_would_become_one_are_refused() -> None:
    with pytest.raises(FormatError, match=r"'_orig_mod\.w' and another|'w' and another"):
        without_wrappers({"_orig_mod.w": torch.ones(1), "w": torch.ones(1)})
