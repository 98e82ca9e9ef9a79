"""Choosing among random numbers: the best subset by trying all, and products that meet their target."""

from __future__ import annotations

import itertools

import pytest
import torch

from auditor.seeds import numpy_generator, torch_generator
from auditor.symmetries import random_pruning
from auditor.symmetries.random_pruning import best_subsets, parallel_sums, two_layer_linear


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch_generator(seed, "numbers"), dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("samples", [1, 2, 5, 8])
@pytest.mark.parametrize("together", [1, 1_000_000])
def test_no_subset_comes_closer(samples: int, together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_pruning, "SUBSETS_TOGETHER", together)
    candidates, targets = _random(samples, 30), _random(30, seed=1)
    found = ((candidates * best_subsets(candidates, targets)).sum(0) - targets).abs()
    subsets = torch.tensor(list(itertools.product((0.0, 1.0), repeat=samples)), dtype=torch.float64)
    torch.testing.assert_close(found, (subsets @ candidates - targets).abs().amin(0))


def test_more_random_numbers_come_closer() -> None:
    """The error falls like 2^−n: from 6 to 18 numbers by about 4096, here by at least a hundred."""
    target = _random(12, 9)
    few, many = (
        float((parallel_sums(target, samples, numpy_generator(0, "sums"))[0] - target).abs().mean())
        for samples in (6, 18)
    )
    assert many < few / 100


def test_a_pruned_product_is_near_its_target_and_each_hidden_unit_reads_one_input() -> None:
    target = _random(7, 5)
    first, second, kept = two_layer_linear(target, 16, numpy_generator(0, "product"))
    assert first.shape == (7, 112)
    assert second.shape == (112, 5)
    assert torch.equal((first != 0).sum(0), torch.ones(112, dtype=torch.int64))
    assert float((first @ second - target).abs().max()) < 1e-2
    assert kept.numbers == 7 * 112 + 112 * 5
    assert kept.kept == int((first != 0).sum() + (second != 0).sum())
    assert 0.2 < float((second != 0).double().mean()) < 0.8
