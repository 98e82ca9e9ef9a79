"""Scores do not depend on which sequences are run together, nor on the padding."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.sites import Site
from auditor.contracts import Request, methods
from auditor.measures.attribution.memory import PASS_BYTES, PASS_TOKENS, bytes_per_token, tokens_at_once
from auditor.measures.attribution.method import Attribution
from auditor.seeds import numpy_generator
from tests.handmade import PLAIN, inputs_for, random_model

NAMES = [name for name, method in methods().items() if isinstance(method, Attribution)]
FLOAT32 = 2e-6
"""Share of the largest score that float32 rounding may make."""


def _batches_of(size: int, *, equal_lengths: bool) -> object:
    def batches(self: InputBatch, *, tokens: int = 0) -> Iterator[tuple[torch.Tensor, InputBatch]]:
        del tokens
        lengths = self.not_padding.sum(1)
        groups = [lengths == n for n in lengths.unique()] if equal_lengths else [lengths > 0]
        for group in groups:
            for rows in group.nonzero().flatten().split(size):
                yield rows, self.rows(rows)

    return batches


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NAMES, "faithfulness_infidelity"])
def test_batches_of_1_7_and_64_agree_in_float32_with_padding_or_none(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_model(dtype=torch.float32)
    inputs = inputs_for(model, 24)
    found = []
    for size in (1, 7, 64):
        for equal_lengths in (False, True):
            monkeypatch.setattr(InputBatch, "batches", _batches_of(size, equal_lengths=equal_lengths))
            found.append(methods()[name].interpret(Request(model, inputs, numpy_generator(0, "batches"))).values)
    allowed = FLOAT32 * max(1.0, float(np.abs(found[0]).max()))
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=0, atol=allowed)


def test_a_batch_of_inputs_shrinks_with_its_copies_its_length_and_the_model() -> None:
    small, large = (random_model(replace(PLAIN, model_width=width)) for width in (8, 2_000))
    assert tokens_at_once(small, 64, 1) == PASS_TOKENS
    assert tokens_at_once(small, 64, 16) == PASS_TOKENS // 16
    assert tokens_at_once(large, 64, 1) * bytes_per_token(large, 64) <= PASS_BYTES
    assert tokens_at_once(large, 64, 1) < PASS_TOKENS
    assert bytes_per_token(small, 1_000) > bytes_per_token(small, 10)
    assert tokens_at_once(large, 10**6, 10**6) == 1


def test_the_estimate_covers_the_patterns_and_neurons_that_a_pass_makes() -> None:
    model = random_model()
    inputs = inputs_for(model, 4)
    _, cache = run_with_cache(model, inputs.tokens, sites=tuple(Site))
    kept = sum(math.prod(value.shape) * value.element_size() for value in cache.activations.values())
    assert bytes_per_token(model, inputs.tokens.shape[1]) * inputs.tokens.numel() > kept
