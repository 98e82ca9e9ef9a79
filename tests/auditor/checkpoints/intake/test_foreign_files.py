"""Files as other libraries save them: the format is found, the numbers agree, and a wrong description shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from auditor.checkpoints.intake.detection import load
from auditor.checkpoints.intake.parity import check_parity
from auditor.checkpoints.intake.reference import read_reference
from auditor.errors import CheckpointError, ConfigurationError, UnsafeFileError
from tests.foreign import MAKERS
from tests.foreign.files import Saved, save, save_reference

NEEDS_LIBRARY = ("huggingface_gpt2", "transformer_lens")
FORMATS = [pytest.param(name, marks=pytest.mark.slow if name in NEEDS_LIBRARY else ()) for name in MAKERS]
GPT2_CONFIG = {"model_type": "gpt2", "vocab_size": 7, "n_positions": 11, "n_embd": 4, "n_layer": 1, "n_head": 2}


@pytest.fixture
def nanogpt(tmp_path: Path) -> Saved:
    return save(MAKERS["nanogpt"](1), tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_saved_model_is_found_and_computes_the_same(name: str, tmp_path: Path) -> None:
    for seed in range(2):
        saved = save(MAKERS[name](seed), tmp_path / str(seed))
        loaded = load(saved.checkpoint, config=saved.config)
        assert (loaded.format, loaded.name) == (name, "model")
        assert check_parity(loaded.model, read_reference(saved.reference)).max_abs_difference < 1e-9


@pytest.mark.slow
def test_a_folder_is_also_found_by_its_weights_and_reads_old_binaries(tmp_path: Path) -> None:
    saved = save(MAKERS["huggingface_gpt2"](3), tmp_path)
    folder = saved.checkpoint
    assert load(folder / "model.safetensors", config=saved.config).format == "huggingface_gpt2"
    (folder / "model.safetensors").unlink()
    torch.save(MAKERS["huggingface_gpt2"](3).module.state_dict(), folder / "pytorch_model.bin")
    loaded = load(folder, config=saved.config)
    assert check_parity(loaded.model, read_reference(saved.reference)).max_abs_difference < 1e-9


def test_a_bare_state_dict_of_nanogpt_asks_for_its_heads(tmp_path: Path) -> None:
    source = MAKERS["nanogpt"](0)
    assert source.library is not None
    saved = save(source, tmp_path, compiled=False)
    with pytest.raises(ConfigurationError, match=r"no 'model\.heads'.*--config"):
        load(saved.checkpoint, config=saved.config)
    facts = yaml.safe_load(saved.config.read_text())
    facts["model"] |= {"heads": source.library["n_head"], "bias": source.library["bias"]}
    saved.config.write_text(yaml.safe_dump(facts))
    loaded = load(saved.checkpoint, config=saved.config)
    assert loaded.format == "nanogpt"
    assert check_parity(loaded.model, read_reference(saved.reference)).max_abs_difference < 1e-9


@pytest.mark.parametrize("fact", ["model.activation", "vocabulary.tokens", "vocabulary.pairs", "task.depth"])
def test_a_missing_fact_is_asked_for_by_name(fact: str, nanogpt: Saved) -> None:
    facts = yaml.safe_load(nanogpt.config.read_text())
    section, name = fact.split(".")
    del facts[section][name]
    nanogpt.config.write_text(yaml.safe_dump(facts))
    with pytest.raises(ConfigurationError, match=f"no '{fact}'.*--config"):
        load(nanogpt.checkpoint, config=nanogpt.config)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".json"])
def test_every_kind_of_reference_is_read(suffix: str, nanogpt: Saved, tmp_path: Path) -> None:
    path = save_reference(MAKERS["nanogpt"](1), tmp_path / f"other{suffix}")
    with pytest.raises(CheckpointError, match="differs"):  # of an optimizer step earlier
        check_parity(load(nanogpt.checkpoint, config=nanogpt.config).model, read_reference(path))
    source = save(MAKERS["torch_encoder"](2), tmp_path / "encoder")
    path = save_reference(MAKERS["torch_encoder"](2), tmp_path / f"same{suffix}")
    found = check_parity(load(source.checkpoint, config=source.config).model, read_reference(path))
    assert found.max_abs_difference <= found.tolerance


def test_a_wrong_description_is_seen_at_the_first_position_that_differs(nanogpt: Saved) -> None:
    facts = yaml.safe_load(nanogpt.config.read_text())
    facts["model"]["activation"] = "relu"
    nanogpt.config.write_text(yaml.safe_dump(facts))
    model = load(nanogpt.checkpoint, config=nanogpt.config).model
    with pytest.raises(CheckpointError, match=r"first at sequence 0, position 0 \(after '.*'\).*--config"):
        check_parity(model, read_reference(nanogpt.reference))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_args": None}, r"no 'model\.heads'"),
        ({"model_args": {"n_layer": [1]}}, r"n_layer = \[1\]"),
        ({"model_args": {"n_layer": float("nan")}}, "n_layer = 'nan'"),
        ({"model_args": {"n_layer": torch.ones(1)}}, "n_layer = 'a Tensor'"),
        ({"model": {}}, "no entry that maps names to weights, only 'model'"),
        ({"model": {"w": 3}}, "no entry that maps names to weights, only 'model'"),
    ],
)
def test_a_nested_checkpoint_that_lacks_something_is_refused_by_name(
    change: dict[str, object], words: str, nanogpt: Saved
) -> None:
    found = torch.load(nanogpt.checkpoint, weights_only=True)  # noqa: TID251 - written a moment ago
    torch.save(found | change, nanogpt.checkpoint)
    with pytest.raises(CheckpointError, match=words):
        load(nanogpt.checkpoint, config=nanogpt.config)


def test_a_safetensors_file_cannot_forge_the_metadata_of_the_sandbox(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from auditor.checkpoints.intake.safe_loading import read_checkpoint
    from auditor.checkpoints.intake.unpickling import LIBRARY_KEY

    save_file({"w": torch.ones(1)}, tmp_path / "m.safetensors", metadata={LIBRARY_KEY: "{"})
    assert read_checkpoint(tmp_path / "m.safetensors").facts == {}


def _folder(path: Path, **facts: object) -> Path:
    from safetensors.torch import save_file

    path.mkdir()
    save_file({"transformer.wte.weight": torch.ones(7, 4)}, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(GPT2_CONFIG | facts))
    return path


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"n_head": None}, "n_head = None"),
        ({"n_head": 3}, "n_head = 3 for a model of width 4; expected a divisor"),
        ({"rotary_dim": 4}, "rotary_dim = 4, which changes"),
        ({"activation_function": "silu"}, "activation_function = 'silu'"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"architectures": ["GPT2ForSequenceClassification"]}, "GPT2ForSequenceClassification"),
        ({"pruned_heads": {"0": [1]}}, "pruned heads"),
        ({"model_type": "gptj"}, "model_type = 'gptj'"),
        ({"vocab_size": 8}, "8 rows in the embedding by config.json.*unused = 1"),
        ({"n_positions": 5}, "5 positions"),
    ],
)
def test_every_option_of_a_gpt2_is_handled_or_refused(facts: dict[str, object], words: str, tmp_path: Path) -> None:
    folder, config = _folder(tmp_path / "gpt2", **facts), tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump(dict(MAKERS["nanogpt"](0).configuration) | {"model": {}}))
    with pytest.raises(ConfigurationError, match=words):
        load(folder, config=config, format="huggingface_gpt2")


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeFileError, match=r"a directory without model\.safetensors or pytorch_model\.bin"):
        load(tmp_path)


def test_a_folder_of_links_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "gpt2")
    (folder / "model.safetensors").rename(tmp_path / "blob")
    (folder / "model.safetensors").symlink_to(tmp_path / "blob")
    with pytest.raises(UnsafeFileError, match="symbolic link"):
        load(folder)


def test_a_description_beside_a_folder_has_its_name(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "gpt2-v1.5")
    with pytest.raises(ConfigurationError, match=r"no 'task\.depth'|no 'vocabulary\.tokens'"):
        load(folder)
    (tmp_path / "gpt2-v1.5.toml").write_text('[task]\ndepth = 3\nmax_length = 8\n[vocabulary]\nbrackets = "x"\n')
    with pytest.raises(ConfigurationError, match=r"vocabulary\.brackets = 'x'"):
        load(folder)
