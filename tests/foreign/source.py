"""What every foreign model of the tests is: tensors, a description, and its own logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from auditor.contracts import Weights

SPELLINGS = ["PAD", "(", ")", "[", "]", "START", "END"]
PAD, START, END = 0, 5, 6
CLASSES = 3
LONGEST = 11
"""Positions of the smallest table."""

VOCABULARY: dict[str, Any] = {"tokens": SPELLINGS, "pairs": ["()", "[]"], "pad": "PAD", "start": "START", "end": "END"}
TASK: dict[str, Any] = {"depth": 3, "max_length": 8}


@dataclass(frozen=True)
class Source:
    """One foreign model. ``logits`` runs the library itself."""

    adapter: str
    module: nn.Module
    configuration: Mapping[str, Any]
    logits: Callable[[Tensor], Tensor]
    library: Mapping[str, Any] | None = None
    asked: Tensor | None = None  # strings of its own vocabulary; else random ones of the common one

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The state dict as a file would hold it."""
        return {name: tensor.detach().clone() for name, tensor in self.module.state_dict().items()}

    def weights(self, tensors: Mapping[str, Tensor] | None = None) -> Weights:
        """What an adapter is given."""
        return Weights(self.tensors if tensors is None else tensors, self.configuration, library=self.library)


def scrambled(module: nn.Module, generator: np.random.Generator) -> nn.Module:
    """The module in float64 and eval mode, every parameter random: nothing is one or zero by initialisation."""
    seed = torch.Generator().manual_seed(int(generator.integers(2**31)))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=seed) * 0.4)
    return module.double().eval()


def token_batches(generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Right-padded strings of any tokens, int64 [batch, position], and where they are not padding."""
    lengths = generator.integers(2, LONGEST + 1, size=4)
    lengths[0] = LONGEST
    tokens = generator.integers(1, len(SPELLINGS), size=(4, LONGEST))
    tokens[:, 1] = generator.integers(1, START, size=4)  # a mean without markers has something to count
    not_padding = np.arange(LONGEST)[None, :] < lengths[:, None]
    return torch.from_numpy(np.where(not_padding, tokens, PAD)), torch.from_numpy(not_padding)


READ_OUTS: tuple[dict[str, Any], ...] = (
    {"position": 0},
    {"position": "last"},
    {"position": "mean", "counts_start": True},
    {"position": "mean", "counts_start": False},
)
"""Where classifiers are read, in the words of a description."""


def read_at(x: Tensor, tokens: Tensor, read_out: Mapping[str, Any]) -> Tensor:
    """[batch, position, feature] → [batch, feature], string by string."""
    rows = []
    for row, ids in zip(x, tokens.tolist(), strict=True):
        real = [place for place, token in enumerate(ids) if token != PAD]
        if read_out["position"] == "mean":
            counted = [place for place in real if read_out["counts_start"] or ids[place] != START]
            rows.append(row[counted].mean(0))
        else:
            rows.append(row[real[-1] if read_out["position"] == "last" else read_out["position"]])
    return torch.stack(rows)


def pick(generator: np.random.Generator, *options: Any) -> Any:
    """One of the options."""
    return options[int(generator.integers(len(options)))]
