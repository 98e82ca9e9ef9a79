"""Converted models compute what their own library computes, on random architectures, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from auditor.contracts import adapters
from tests.foreign import MAKERS
from tests.foreign.rotary import rotary
from tests.foreign.source import Source, token_batches
from tests.foreign.torch_encoder import torch_encoder

pytestmark = pytest.mark.slow

SOURCES = {**MAKERS, "rotary positions in plain PyTorch": rotary}
ARCHITECTURES = 50
FEW = 3
EXACT = 1e-9
"""Sums of a few dozen products in float64, in another order; 1e-13 is usual."""

VARIES = 1e-2
"""Logits that vary less would agree by chance."""


def _largest_difference(source: Source, seed: int) -> float:
    model = adapters()[source.adapter].convert(source.weights())
    tokens, not_padding = token_batches(np.random.default_rng(seed))
    with torch.no_grad():
        ours, theirs = model(tokens), source.logits(tokens)
    if not model.architecture.is_classifier:  # behind the end of a string nothing is promised
        ours, theirs = ours[not_padding], theirs[not_padding]
    assert ours.shape == theirs.shape
    assert ours.dtype is torch.float64
    assert float(theirs.std()) > VARIES
    return float((ours - theirs).abs().max())


SWITCHES: dict[str, dict[str, Any]] = {
    "rotary positions": {"classifier": False},
    "a norm of the embedding before positions": {"embedding_norm": "before_positions"},
    "a norm of the embedding": {"embedding_norm": "after_positions"},
    "read as a mean": {"classifier": True, "read_out": {"position": "mean", "counts_start": True}},
    "read as a mean without START": {"classifier": True, "read_out": {"position": "mean", "counts_start": False}},
    "read at the last token": {"classifier": True, "read_out": {"position": "last"}},
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_fifty_modules_in_plain_pytorch_with_each_switch_give_the_same_logits(switch: str) -> None:
    make = rotary if switch == "rotary positions" else torch_encoder
    sources = {seed: make(seed, **SWITCHES[switch]) for seed in range(ARCHITECTURES)}
    assert {seed: d for seed, one in sources.items() if (d := _largest_difference(one, seed)) > EXACT} == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_random_architectures_give_the_same_logits(name: str) -> None:
    assert {
        seed: found
        for seed in range(ARCHITECTURES)
        if (found := _largest_difference(SOURCES[name](seed), seed)) > EXACT
    } == {}


@pytest.mark.parametrize("name", ["nanogpt", "torch_encoder", "rotary positions in plain PyTorch"])
def test_a_few_architectures_of_what_needs_no_library(name: str) -> None:
    assert all(_largest_difference(SOURCES[name](seed), seed) <= EXACT for seed in range(FEW))
