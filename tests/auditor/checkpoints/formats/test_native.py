"""Our own files come back bit for bit, and two descriptions must agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.serialisation import state_of, weights_bytes
from auditor.checkpoints.formats.native import Native
from auditor.checkpoints.intake.detection import load
from auditor.checkpoints.native_file import METADATA_KEY, describe, native_bytes, save_native
from auditor.contracts import Weights
from auditor.errors import AuditorError, CheckpointError, ConfigurationError
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.seeds import torch_generator

ARCHITECTURE = Architecture(
    model_width=12,
    vocabulary_size=8,
    blocks=(Block(heads=2, query_width=3, value_width=5, neurons=7),) * 2,
    positions="learned",
    max_positions=40,
    norm="rms",
)


@pytest.fixture
def model() -> CanonicalTransformer:
    """Random weights."""
    made = CanonicalTransformer(ARCHITECTURE, Task(Dyck.standard(2, 4)))
    generator = torch_generator(0, "test")
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_saved_model_comes_back_bit_for_bit(dtype: torch.dtype, model: CanonicalTransformer, tmp_path: Path) -> None:
    model = model.to(dtype)
    (tmp_path / "models").mkdir()
    save_native(model, tmp_path / "models" / "m.safetensors")
    loaded = load(tmp_path / "models" / "m.safetensors")
    assert loaded.format == "native"
    assert weights_bytes(loaded.model) == weights_bytes(model)
    assert loaded.model.architecture == model.architecture
    assert loaded.model.task == model.task
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["m.json", "m.safetensors"]


def test_the_same_model_gives_the_same_file(model: CanonicalTransformer) -> None:
    assert native_bytes(model) == native_bytes(model.clone())


def test_a_description_beside_may_not_contradict_the_one_inside(model: CanonicalTransformer, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_native(model, path)
    changed = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    changed["task"]["depth"] = 5
    path.with_suffix(".json").write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="'task'"):
        load(path)


def test_a_description_beside_is_enough(model: CanonicalTransformer) -> None:
    weights = Weights(state_of(model), describe(model))
    assert Native().recognises(weights)
    assert weights_bytes(Native().convert(weights)) == weights_bytes(model)


def test_without_a_description_one_is_asked_for(model: CanonicalTransformer) -> None:
    with pytest.raises(ConfigurationError, match="--config"):
        Native().convert(Weights(state_of(model), None))


@pytest.mark.parametrize("key", sorted(CanonicalTransformer(ARCHITECTURE, Task(Dyck.standard(2, 4))).state_dict()))
def test_every_key_is_checked_by_name(key: str, model: CanonicalTransformer) -> None:
    state, description = state_of(model), describe(model)
    without = {name: tensor for name, tensor in state.items() if name != key}
    for wrong in (without, {**without, f"{key}_": state[key]}, {**without, key: state[key].flatten()[:-1]}):
        with pytest.raises(ConfigurationError) as caught:
            Native().convert(Weights(wrong, description))
        assert key in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("schema",), "dyck-audit/model/9", "schema"),
        (("extra",), 1, "'extra'"),
        (("architecture", "blocks"), [], "layers"),
        (("architecture", "vocabulary_size"), 9, "9 tokens"),
        (("architecture", "model_width"), 10**9, "model_width"),
        (("architecture", "norm"), "batch", "norm"),
        (("architecture", "rotary"), True, "rotary"),
        (("task", "depth"), 0, "depth"),
        (("task", "objective"), "guess", "objective"),
        (("task", "vocabulary"), None, "task"),
    ],
)
def test_a_wrong_description_is_refused(
    place: tuple[str, ...], value: object, words: str, model: CanonicalTransformer
) -> None:
    description = describe(model)
    inner = description
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    with pytest.raises(AuditorError, match=words):
        Native().convert(Weights(state_of(model), description))


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "[" * 100_000])
def test_metadata_that_is_no_description_is_refused(text: str, model: CanonicalTransformer) -> None:
    with pytest.raises(ConfigurationError, match=METADATA_KEY):
        Native().convert(Weights(state_of(model), None, {METADATA_KEY: text}))


def test_weights_that_are_not_finite_are_not_saved(model: CanonicalTransformer, tmp_path: Path) -> None:
    with torch.no_grad():
        model.W_E[0, 0] = float("nan")
    with pytest.raises(CheckpointError, match="W_E"):
        save_native(model, tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())
