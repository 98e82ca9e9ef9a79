"""Weights in what training scripts save around them: found, said, and never more than weights."""

from __future__ import annotations

import argparse
import random
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from auditor.canonical.serialisation import weights_bytes
from auditor.checkpoints.intake.detection import Loaded, load
from auditor.errors import CheckpointError, FormatError, UnsafeFileError
from tests.foreign.states import STATES

pytestmark = pytest.mark.slow

State = Mapping[str, Tensor]


class Settings:
    """A class of the script that saved a checkpoint."""

    def __init__(self) -> None:
        self.layers = 2


def _optimizer(state: State) -> dict[str, Any]:
    moments = {index: {"step": torch.tensor(1.0), "exp_avg": tensor} for index, tensor in enumerate(state.values())}
    return {"state": moments, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.95), "params": list(range(len(state)))}]}


def _fsdp_optimizer(state: State) -> dict[str, Any]:
    return {"state": {name: {"exp_avg": tensor, "exp_avg_sq": tensor} for name, tensor in state.items()}}


RANDOM = {
    "torch": torch.get_rng_state(),
    "cuda": [torch.get_rng_state()],
    "numpy": np.random.RandomState(0).get_state(),
    "python": random.Random(0).getstate(),
}
LIGHTNING = {
    "epoch": 3,
    "global_step": 9,
    "pytorch-lightning_version": "2.2.0",
    "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 3}}}},
    "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {"best_model_score": torch.tensor(0.3), "kth": Path("a.ckpt")}},
    "lr_schedulers": [{"milestones": Counter([3, 5]), "last_epoch": 3}],
    "hparams_name": "config",
    "hyper_parameters": {"lr": 1e-3, "config": argparse.Namespace(heads=2)},
    "MixedPrecision": {"scale": 65536.0},
}
WRAPPERS: Mapping[str, tuple[Callable[[State], Mapping[str, Any]], str]] = {
    "tutorial": (
        lambda s: {"model_state_dict": s, "optimizer_state_dict": _optimizer(s), "epoch": 3, "loss": torch.tensor(0.1)},
        "model_state_dict",
    ),
    "scaler and random states": (
        lambda s: {"model": s, "optimizer": _optimizer(s), "epoch": 3, "scaler": {"scale": 1.0}, "rng_state": RANDOM},
        "model",
    ),
    "lightning": (lambda s: {"state_dict": s, "optimizer_states": [_optimizer(s)], **LIGHTNING}, "state_dict"),
    "deepspeed": (lambda s: {"module": s, "dtype": torch.float32, "param_shapes": [torch.Size([1])]}, "module"),
    "fsdp": (lambda s: {"app": {"model": s, "optim": _fsdp_optimizer(s)}}, "app.model"),
    "arguments": (lambda s: {"net": s, "args": argparse.Namespace(out=Path("x")), "best": np.float64(0.5)}, "net"),
    "a class of the script": (lambda s: {"weights": s, "config": Settings(), "log": defaultdict(list)}, "weights"),
    "bytes and numpy": (lambda s: {"params": s, "losses": np.arange(3.0), "tag": b"\xff", "seen": {1, 2}}, "params"),
    "a list": (lambda s: {"models": [s], "epoch": 3}, "models.0"),
    "two levels": (lambda s: {"checkpoint": {"weights": OrderedDict(s), "step": 1}}, "checkpoint.weights"),
}


def _load(content: object, folder: Path, format: str = "torch_encoder", **options: Any) -> Loaded:  # noqa: A002
    checkpoint, config = STATES[format]().save(folder, content)
    return load(checkpoint, config=config, **options)


@pytest.fixture(autouse=True)
def _as_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pickle our class as one of the script that ran."""
    import __main__

    monkeypatch.setattr(Settings, "__module__", "__main__")
    monkeypatch.setattr(__main__, "Settings", Settings, raising=False)


@pytest.mark.parametrize("name", WRAPPERS)
def test_the_one_state_dict_in_a_wrapper_is_taken_and_named(name: str, tmp_path: Path) -> None:
    state = STATES["torch_encoder"]().tensors
    wrap, entry = WRAPPERS[name]
    plain, wrapped = _load(dict(state), tmp_path / "plain"), _load(wrap(state), tmp_path / "wrapped")
    assert weights_bytes(wrapped.model) == weights_bytes(plain.model)
    assert f"the entry '{entry}'" in wrapped.notes[0]
    assert plain.notes == ()


@pytest.mark.parametrize("format_", STATES)
def test_every_format_is_read_from_a_wrapper(format_: str, tmp_path: Path) -> None:
    described = STATES[format_]()
    beside = {"model_args": described.library} if format_ == "nanogpt" else {}
    content = {"model_state_dict": dict(described.tensors), "epoch": 3, **beside}
    path, config = described.save(tmp_path / "plain")
    plain = load(path, config=config)
    wrapped = _load(content, tmp_path / "wrapped", format_)
    assert wrapped.format == format_
    assert weights_bytes(wrapped.model) == weights_bytes(plain.model)


@pytest.mark.parametrize(
    ("average", "entry"),
    [
        (lambda s: {"ema": s}, "ema"),
        (lambda s: {"ema": {"n_averaged": torch.tensor(3), **{f"module.{n}": t for n, t in s.items()}}}, "ema"),
        (lambda s: {"swa_state_dict": s, "swa_n": 3}, "swa_state_dict"),
    ],
)
def test_of_several_state_dicts_one_is_chosen_by_name(average: Any, entry: str, tmp_path: Path) -> None:
    state = dict(STATES["torch_encoder"]().tensors)
    other = {name: tensor + 1 for name, tensor in state.items()}
    content = {"model": other, **average(state)}
    with pytest.raises(FormatError, match=rf"2 entries hold weights: model, {entry}.*--entry"):
        _load(content, tmp_path / "none")
    with pytest.raises(FormatError, match=f"no entry 'emma' that holds weights; expected model or {entry}"):
        _load(content, tmp_path / "wrong", entry="emma")
    plain, chosen = _load(state, tmp_path / "plain"), _load(content, tmp_path / "chosen", entry=entry)
    assert weights_bytes(chosen.model) == weights_bytes(plain.model)


def test_an_entry_below_the_first_level_is_chosen_by_its_path(tmp_path: Path) -> None:
    state = dict(STATES["torch_encoder"]().tensors)
    content = {"state_dict": {name: tensor + 1 for name, tensor in state.items()}, "ema": {"module": state, "decay": 1}}
    plain, chosen = _load(state, tmp_path / "plain"), _load(content, tmp_path / "chosen", entry="ema.module")
    assert weights_bytes(chosen.model) == weights_bytes(plain.model)
    assert "'state_dict'" in _load(content, tmp_path / "first").notes[0]


def test_an_entry_of_a_file_without_entries_is_refused(tmp_path: Path) -> None:
    state = dict(STATES["torch_encoder"]().tensors)
    with pytest.raises(FormatError, match=r"no entry 'model'.*leave --entry out"):
        _load(state, tmp_path, entry="model")


def test_what_modules_save_beside_their_tensors_is_left_out(tmp_path: Path) -> None:
    state = STATES["torch_encoder"]().tensors
    found = _load({**state, "encoder._extra_state": None}, tmp_path)
    assert found.format == "torch_encoder"


def test_sizes_of_a_nanogpt_are_found_under_other_names(tmp_path: Path) -> None:
    described = STATES["nanogpt"]()
    content = {"model": dict(described.tensors), "config": {**(described.library or {}), "lr": 1e-3}}
    found = _load(content, tmp_path, "nanogpt")
    assert "model_args: not read, as they do not change the function: lr" in found.notes


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"epoch": 3, "model": argparse.Namespace(a=1)}, "no entry that maps names to weights"),
        ({"rng": {"cpu": torch.get_rng_state()}, "step": 1}, "no entry that maps names to weights"),
        ({"model": {"w": torch.ones(2, 2), "epoch": 3}}, "no entry that maps names to weights"),
        ([("w", torch.ones(2, 2))], "a list instead of a state dict"),
        (argparse.Namespace(model={"w": torch.ones(2, 2)}), "instead of a state dict"),
    ],
)
def test_a_wrapper_without_weights_is_refused(content: object, words: str, tmp_path: Path) -> None:
    with pytest.raises(UnsafeFileError, match=words):
        _load(content, tmp_path)


def test_weights_that_diverged_are_refused_by_name(tmp_path: Path) -> None:
    state = dict(STATES["torch_encoder"]().tensors)
    state["head.weight"] = state["head.weight"] * float("nan")
    with pytest.raises(CheckpointError, match=r"'head\.weight' are NaN or infinite.*names\.ignore"):
        _load({"model": state, "epoch": 1}, tmp_path)
