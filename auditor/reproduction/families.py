"""The families of models in the public configurations of Wen et al. 2023, and how one of them is made.

All have one head, width 50, a LayerNorm before the MLP only and no bias at the logits; inputs are fixed one-hot tables.
Source: arXiv 2312.01429 and the configurations of the authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor

from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.description.depth_embedding import depth_rule, depth_table
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.seeds import torch_generator

WIDTH = 50
DEPTH = 4
LONGEST_WORD, PREFIX = 26, 28
"""Brackets of the longest complete string in their training data, where the limit of 28 tokens counts START and END,
and of every prefix."""

TRAINING_TOKENS = 100_000
BATCH = 100
SCALAR_PERIOD = 6_000
PENALTY = 0.3
"""Weight of the contrastive regulariser."""

START_SIZE = 0.02
"""Standard deviation of the first weights of GPT-2 (Radford et al. 2019); of maps into the stream by 1/√(2 layers)."""

_LANGUAGE = Dyck.standard(2, DEPTH)


@dataclass(frozen=True, slots=True)
class Family:
    """Models that differ in their seed only."""

    name: str
    summary: str
    layers: int
    positions: bool = False  # a column i/6000
    prefixes: bool = False
    embedding: str | None = None  # of tokens with their depths; None: one-hot tokens
    contrast: float = 0.0
    learning_rate: float = 3e-3
    epochs: int = 40

    @property
    def is_minimal(self) -> bool:
        """Whether it has the minimal first layer: token and depth in, one attention, nothing past it."""
        return self.embedding is not None

    @property
    def task(self) -> Task:
        """Closing brackets of Dyck(2, 4)."""
        low, high = (PREFIX, PREFIX) if self.prefixes else (2, LONGEST_WORD)
        return Task(_LANGUAGE, "closing_bracket", min_length=low, max_length=high, prefixes=self.prefixes)

    @property
    def architecture(self) -> Architecture:
        """As ``auditor.checkpoints.formats.wen2023`` reads their configuration."""
        whole = not self.is_minimal
        plain = Architecture(
            model_width=WIDTH,
            vocabulary_size=len(_LANGUAGE.vocabulary),
            blocks=(Block(1, WIDTH, WIDTH, WIDTH if whole else 0),) * self.layers,
            norm_sites=("mlp_in",),
            attention_residual=whole,
            mlp_residual=whole,
            output_map=whole,
            mlp="two_layer" if whole else "identity",
            activation="gelu_tanh",
            positions="scalar" if self.positions else "none",
            scalar_period=SCALAR_PERIOD if self.positions else None,
            embedding_trained=False,
        )
        if self.embedding is None:
            return plain
        slots = self.table.shape[1]
        rule = depth_rule(self.embedding)
        return replace(plain, embedding="token_and_depth", depth_slots=slots, depth_rule=rule)

    @property
    def table(self) -> Tensor:
        """The fixed input vectors, [token, model] or [token, depth slot, model]."""
        one_hot = torch.eye(len(_LANGUAGE.vocabulary), WIDTH)
        return one_hot if self.embedding is None else depth_table(one_hot, self.embedding, depth_bound=DEPTH)


@torch.no_grad()
def untrained(family: Family, seed: int) -> CanonicalTransformer:
    """A model as GPT-2 starts: N(0, 0.02²), biases 0, gains 1, in float32."""
    model = CanonicalTransformer(family.architecture, family.task)
    generator = torch_generator(seed, "reproduction", family.name, "weights")
    for name, weight in model.named_parameters():
        leaf = name.rsplit(".", 1)[-1]
        if name == "W_E":
            weight.copy_(family.table)
        elif ".norms." in name:
            weight.fill_(1.0 if leaf == "weight" else 0.0)
        elif leaf.startswith("W_"):
            into_stream = leaf in ("W_O", "W_out")
            size = START_SIZE / (math.sqrt(2 * family.layers) if into_stream else 1.0)
            weight.copy_(torch.randn(weight.shape, generator=generator) * size)
    return model


_EXAMPLE = Family("example", "two layers on one-hot tokens, no positions", 2)
_BALANCE = Family(
    "balance_acc",
    "one layer on tokens with their depths",
    1,
    embedding="sub_state_large",
    learning_rate=1e-2,
    epochs=10,
)
_PREFIX = "prefixes of 28 brackets in place of complete strings"

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            _EXAMPLE,
            replace(_EXAMPLE, name="example_p", summary="the same with linear positions i/6000", positions=True),
            replace(_EXAMPLE, name="example_prefix", summary=f"{_EXAMPLE.summary}; {_PREFIX}", prefixes=True),
            replace(
                _EXAMPLE,
                name="example_prefix_p",
                summary=f"linear positions i/6000; {_PREFIX}",
                prefixes=True,
                positions=True,
            ),
            _BALANCE,
            replace(
                _BALANCE,
                name="balance_acc_contrastive",
                summary="the same with the contrastive regulariser",
                contrast=PENALTY,
            ),
            replace(_BALANCE, name="balance_acc_prefix", summary=f"{_BALANCE.summary}; {_PREFIX}", prefixes=True),
            replace(
                _BALANCE,
                name="balance_acc_prefix_contrastive",
                summary=f"with the contrastive regulariser; {_PREFIX}",
                prefixes=True,
                contrast=PENALTY,
            ),
            replace(
                _EXAMPLE, name="seed19", summary="two layers, trained faster and shorter", learning_rate=1e-2, epochs=20
            ),
            replace(
                _EXAMPLE,
                name="seed19_p",
                summary="the same with linear positions i/6000",
                positions=True,
                learning_rate=1e-2,
                epochs=20,
            ),
            replace(
                _BALANCE,
                name="one_layer_default",
                summary="one layer, depth as an angle beside the token",
                embedding="sub_state",
                epochs=40,
            ),
            replace(
                _BALANCE,
                name="one_layer_theory",
                summary="one layer, one-hot depth beside the one-hot token",
                embedding="sub_state_theory",
                epochs=20,
            ),
        )
    }
)
"""By name."""
