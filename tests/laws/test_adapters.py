"""Laws of every adapter in the registry: each key is handled, ignored by name, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import yaml

from auditor import zoo
from auditor.checkpoints.intake.safe_loading import read_checkpoint
from auditor.contracts import Weights, adapters
from auditor.testing.adapter_laws import LAWS, Examples
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


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", SUBJECTS)
def test_an_adapter_keeps_the_law(name: str, law: Callable[[Examples], None]) -> None:
    law(Examples(name, _examples(name), BUFFERS))


def test_every_adapter_has_examples() -> None:
    assert set(adapters()) == {*MAKERS, "native", "wen2023"}
