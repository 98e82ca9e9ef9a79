"""The format: its laws, and the logits of the model computed from the tensors alone."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.contracts import Weights, adapters
from auditor.testing import check_adapter

HEADS, WIDTH, TOKENS = 2, 6, 8
CONFIGURATION = {"model": {"heads": HEADS}, "vocabulary": {"brackets": 2}, "task": {"depth": 3, "max_length": 8}}


def example(layers: int) -> Weights:
    """A random checkpoint in float64."""
    seed = torch.Generator().manual_seed(layers)
    shapes = {"table": (TOKENS, WIDTH), "maps": (layers, 4, WIDTH, WIDTH), "head": (WIDTH, TOKENS)}
    drawn = {name: torch.randn(shape, generator=seed, dtype=torch.float64) for name, shape in shapes.items()}
    return Weights(drawn, CONFIGURATION)


def test_laws() -> None:
    check_adapter("stacked_attention", [example(layers) for layers in (1, 2)])


def test_logits_are_those_of_the_tensors() -> None:
    weights = example(2)
    tokens = torch.tensor([[2, 4, 6, 7, 5]])
    with torch.no_grad():
        found = adapters()["stacked_attention"].convert(weights)(tokens)
    torch.testing.assert_close(found[0], _logits(weights.tensors, tokens[0]))


def _logits(tensors: dict[str, Tensor], tokens: Tensor) -> Tensor:
    x, size = tensors["table"][tokens], WIDTH // HEADS
    later = torch.ones(len(tokens), len(tokens)).triu(1).bool()
    for Q, K, V, W_O in tensors["maps"]:
        written = torch.zeros_like(x)
        for part in (slice(0, size), slice(size, WIDTH)):
            scores = (x @ Q[:, part]) @ (x @ K[:, part]).T / size**0.5
            pattern = scores.masked_fill(later, -torch.inf).softmax(-1)
            written = written + pattern @ (x @ V[:, part]) @ W_O[part]
        x = x + written
    return x @ tensors["head"]
