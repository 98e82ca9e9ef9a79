"""Laws of every adapter in the registry: each key is handled, ignored by name, or refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
import torch
import yaml

from auditor import zoo
from auditor.checkpoints.intake.detection import choose
from auditor.checkpoints.intake.safe_loading import read_checkpoint
from auditor.contracts import Weights, adapters
from auditor.errors import CheckpointError
from tests.foreign import MAKERS
from tests.wen2023_files import checkpoint

SEEDS = (0, 1, 2)
NEEDS_LIBRARY = ("huggingface_gpt2", "transformer_lens")
BUFFERS = ("attn.mask", "attn.IGNORE", ".attn.bias", ".attn.masked_bias")
"""Endings of what is known to be no weight: nothing is lost with it."""

SUBJECTS = [pytest.param(name, marks=pytest.mark.slow if name in NEEDS_LIBRARY else (), id=name) for name in adapters()]


@cache
def _examples(name: str) -> tuple[Weights, ...]:
    if name == "native":
        file = read_checkpoint(zoo.path(zoo.names()[0]))
        return (Weights(file.tensors, None, file.metadata),)
    if name == "wen2023":
        path = checkpoint("example_baseline_seed0")
        return (Weights(read_checkpoint(path).tensors, yaml.safe_load(path.with_suffix(".yaml").read_text())),)
    return tuple(MAKERS[name](seed).weights() for seed in SEEDS)


def _keys(weights: Weights) -> Iterator[str]:
    yield from (name for name in weights.tensors if not name.endswith(BUFFERS))


def _with(weights: Weights, tensors: dict[str, torch.Tensor]) -> Weights:
    return Weights(tensors, weights.configuration, weights.metadata, weights.library)


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_adapter_recognises_its_own_and_no_other(name: str) -> None:
    assert all(choose(weights).name == name for weights in _examples(name))


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_missing_key_is_refused_by_name(name: str) -> None:
    for weights in _examples(name):
        for key in _keys(weights):
            if _is_second_copy(weights, key):
                continue
            left = {other: tensor for other, tensor in weights.tensors.items() if other != key}
            with pytest.raises(CheckpointError) as refused:
                adapters()[name].convert(_with(weights, left))
            assert key in str(refused.value), f"{key}: {refused.value}"


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_renamed_key_is_refused_by_either_name(name: str) -> None:
    for weights in _examples(name):
        for key in _keys(weights):
            other = f"{key}_old"
            renamed = {other if one == key else one: tensor for one, tensor in weights.tensors.items()}
            with pytest.raises(CheckpointError) as refused:
                adapters()[name].convert(_with(weights, renamed))
            assert key in str(refused.value), f"{key}: {refused.value}"


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.parametrize("extra", ["adapter.lora_A", "{prefix}.extra", "~"])
def test_an_added_key_is_refused_by_name(name: str, extra: str) -> None:
    for weights in _examples(name):
        added = extra.format(prefix=next(_keys(weights)).rsplit(".", 1)[0])
        with pytest.raises(CheckpointError) as refused:
            adapters()[name].convert(_with(weights, {**weights.tensors, added: torch.ones(2)}))
        assert added in str(refused.value)


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_key_of_another_shape_is_refused_by_name(name: str) -> None:
    for weights in _examples(name):
        for key in _keys(weights):
            grown = {**weights.tensors, key: torch.zeros(*(size + 1 for size in weights.tensors[key].shape))}
            with pytest.raises(CheckpointError):
                adapters()[name].convert(_with(weights, grown))


@pytest.mark.parametrize("name", SUBJECTS)
def test_converting_leaves_the_tensors_alone_and_shares_none(name: str) -> None:
    weights = _examples(name)[0]
    before = {key: tensor.clone() for key, tensor in weights.tensors.items()}
    model = adapters()[name].convert(weights)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert all(torch.equal(before[key], tensor) for key, tensor in weights.tensors.items())


def test_every_adapter_has_examples() -> None:
    assert set(adapters()) == {*MAKERS, "native", "wen2023"}


def _is_second_copy(weights: Weights, key: str) -> bool:
    """Whether the description ties this tensor to another one, so that a file may leave it out."""
    tied = weights.library is not None and bool(weights.library.get("tie_word_embeddings"))
    return tied and key == "lm_head.weight"
