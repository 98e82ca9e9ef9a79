"""Bytes and models: equal weights are equal bytes, and bytes that contradict the architecture are refused by name."""

from __future__ import annotations

import hashlib
import json

import pytest
import safetensors.torch
import torch

from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.serialisation import model_from_bytes, state_of, weights_bytes, weights_sha256
from auditor.canonical.tensor_header import read_header
from auditor.errors import CheckpointError, ConfigurationError, UnsafeFileError
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.seeds import torch_generator

TASK = Task(Dyck.standard(2, 4))
BLOCKS = (Block(heads=2, query_width=4, value_width=4, neurons=0),)
PLAIN = Architecture(model_width=8, vocabulary_size=8, blocks=BLOCKS, mlp="none", norm_sites=())
ARCHITECTURES = {
    "plain": PLAIN,
    "two_layers": Architecture(
        model_width=8, vocabulary_size=8, blocks=(Block(2, 3, 5, 6), Block(1, 2, 2, 9)), activation="gelu_erf"
    ),
    "depth_table": Architecture(
        model_width=8,
        vocabulary_size=8,
        blocks=BLOCKS,
        mlp="identity",
        norm_sites=("mlp_in",),
        output_map=False,
        embedding="token_and_depth",
        embedding_trained=False,
        depth_slots=6,
    ),
    "tied": Architecture(
        model_width=8,
        vocabulary_size=8,
        blocks=BLOCKS,
        mlp="none",
        tied_unembedding=True,
        positions="learned",
        max_positions=9,
    ),
    "classifier": Architecture(
        model_width=8, vocabulary_size=8, blocks=BLOCKS, mlp="none", norm="rms", causal=False, read_out=0, classes=2
    ),
    "rotary positions, read as a mean": Architecture(
        model_width=8,
        vocabulary_size=8,
        blocks=BLOCKS,
        mlp="none",
        norm_sites=("embedding", "final"),
        positions="rotary",
        rotary_width=2,
        rotary_base=50.0,
        rotary_pairs="adjacent",
        read_out="mean",
        mean_skips=("start",),
        classes=2,
    ),
    "read at the last token": Architecture(
        model_width=8, vocabulary_size=8, blocks=BLOCKS, mlp="none", read_out="last", classes=2
    ),
}


def _random(architecture: Architecture, dtype: torch.dtype = torch.float32) -> CanonicalTransformer:
    model = CanonicalTransformer(architecture, TASK)
    generator = torch_generator(0, "test")
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return model.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_a_model_comes_back_bit_for_bit(name: str, dtype: torch.dtype) -> None:
    model = _random(ARCHITECTURES[name], dtype)
    data = weights_bytes(model)
    again = model_from_bytes(data, model.architecture, model.task)
    tokens = torch.tensor([[2, 4, 5, 7, 6]])
    assert weights_bytes(again) == data
    assert torch.equal(again(tokens), model(tokens))
    assert again.dtype is dtype
    assert not again.training
    assert [p.requires_grad for p in again.parameters()] == [p.requires_grad for p in model.parameters()]


def test_bytes_depend_on_weights_alone() -> None:
    model = _random(PLAIN)
    assert weights_bytes(model) == weights_bytes(model.clone())
    assert weights_sha256(weights_bytes(model)) == hashlib.sha256(weights_bytes(model)).hexdigest()
    with torch.no_grad():
        model.W_U[0, 0] += 1
    assert weights_bytes(model) != weights_bytes(_random(PLAIN))


def test_a_read_model_shares_no_memory_with_the_bytes() -> None:
    data = weights_bytes(_random(PLAIN))
    model = model_from_bytes(data, PLAIN, TASK)
    with torch.no_grad():
        model.W_E.zero_()
    assert weights_bytes(model_from_bytes(data, PLAIN, TASK)) == data


@pytest.mark.parametrize("key", sorted(CanonicalTransformer(PLAIN, TASK).state_dict()))
def test_every_key_is_checked_by_name(key: str) -> None:
    state = state_of(_random(PLAIN))
    without = {name: tensor for name, tensor in state.items() if name != key}
    for wrong in (without, {**state, f"{key}.more": torch.ones(1)}, {**without, key: state[key].flatten()[1:].clone()}):
        with pytest.raises(ConfigurationError) as caught:
            model_from_bytes(safetensors.torch.save(wrong), PLAIN, TASK)
        assert key in str(caught.value)


def test_weights_that_are_not_finite_are_named() -> None:
    state = {**state_of(_random(PLAIN)), "b_U": torch.full((8,), float("inf"))}
    with pytest.raises(CheckpointError, match="8 of 8 values in 'b_U'"):
        model_from_bytes(safetensors.torch.save(state), PLAIN, TASK)


def test_half_precision_and_mixtures_are_refused() -> None:
    state = state_of(_random(PLAIN))
    halves = {name: tensor.half() for name, tensor in state.items()}
    for wrong, words in ((halves, "F16"), ({**state, "b_U": torch.zeros(8).double()}, "F32, F64")):
        with pytest.raises(ConfigurationError, match=words):
            model_from_bytes(safetensors.torch.save(wrong), PLAIN, TASK)


def test_a_description_of_many_layers_is_refused_before_they_are_built() -> None:
    many = Architecture(model_width=8, vocabulary_size=8, blocks=BLOCKS * 100_000, mlp="none", norm_sites=())
    with pytest.raises(ConfigurationError, match="100000 layers"):
        model_from_bytes(weights_bytes(_random(PLAIN)), many, TASK)


def test_a_description_of_great_width_is_refused_without_the_memory() -> None:
    wide = Architecture(model_width=900_000, vocabulary_size=8, blocks=BLOCKS, mlp="none", norm_sites=())
    with pytest.raises(ConfigurationError, match="900000"):
        model_from_bytes(weights_bytes(_random(PLAIN)), wide, TASK)


def test_damaged_bytes_are_refused() -> None:
    data = weights_bytes(_random(PLAIN))
    for wrong in (b"", data[:5], data[:40], data[:-1], data + b"\0", b"\xff" * 100):
        with pytest.raises(UnsafeFileError):
            model_from_bytes(wrong, PLAIN, TASK)


def test_the_header_says_what_the_library_wrote() -> None:
    data = safetensors.torch.save({"a": torch.zeros(2, 3), "b": torch.ones(4).long()}, metadata={"k": "v"})
    header = read_header(data)
    assert header.metadata == {"k": "v"}
    assert header.tensors["a"].shape == (2, 3)
    assert header.tensors["b"].dtype == "I64"


def test_scalars_and_empty_tensors_have_headers_too() -> None:
    text = json.dumps({"s": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}).encode()
    assert read_header(len(text).to_bytes(8, "little") + text + bytes(4)).tensors["s"].shape == ()
