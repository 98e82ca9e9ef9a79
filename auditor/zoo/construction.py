"""A two-layer Transformer for Dyck(k, D) with weights written down by hand.

The two-layer soft-attention generator of Yao, Peng, Papadimitriou & Narasimhan 2021 (arXiv 2105.11115, section 4.2),
with its depth counter made of rectifiers, for inputs of up to N tokens:

    layer 0, head 0   attends everywhere alike; values START → s, brackets ±1 → m. At input position i:
                      s = 1/(i + 1),  m = depth/(i + 1)
    layer 0, neurons  step_t = [depth ≥ t] from relu(K(m − (t − ½)s)) − relu(K(m − (t − ½)s) − 1), K = 2(N + 1);
                      and the same steps on opening brackets only
    layer 1, head 0   attends to opening brackets at the query's depth, the most recent first (position column i/N);
                      finds the last unmatched opener and copies its type
    layer 1, neurons  carry [depth ≥ 1] and [depth ≥ D] to the logits

Logits are log-probabilities of the unbounded generator, with −40 for what the grammar forbids.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer, Mlp
from auditor.errors import ConfigurationError
from auditor.language.task import Task

SHARPNESS = 24.0
"""Attention score by which the right opener leads: e^−24 of the weight goes elsewhere."""

FORBIDDEN = -40.0
"""Logit of what the grammar forbids: e^−40 of the probability."""


@dataclass(frozen=True)
class _Features:
    """Which features of the residual stream hold what."""

    types: int
    depth: int

    @property
    def opener(self) -> int:
        """First of the one-hot type of an opening bracket, from the token."""
        return 0

    @property
    def start(self) -> int:
        """1 on START."""
        return self.types

    @property
    def change(self) -> int:
        """+1 on opening brackets, −1 on closing ones."""
        return self.types + 1

    @property
    def share(self) -> int:
        """s, what uniform attention finds of START."""
        return self.types + 2

    @property
    def height(self) -> int:
        """m, what uniform attention finds of the changes."""
        return self.types + 3

    @property
    def steps(self) -> int:
        """First of [depth ≥ t] for t = 1 … D + 1."""
        return self.types + 4

    @property
    def opener_steps(self) -> int:
        """First of the same on opening brackets, 0 elsewhere."""
        return self.steps + self.depth + 1

    @property
    def found(self) -> int:
        """First of the one-hot type of the last unmatched opener, from layer 1."""
        return self.opener_steps + self.depth + 1

    @property
    def inside(self) -> int:
        """[depth ≥ 1], from layer 1."""
        return self.found + self.types

    @property
    def full(self) -> int:
        """[depth ≥ D], from layer 1."""
        return self.inside + 1

    @property
    def width(self) -> int:
        """All of these and the position column, which is the last feature."""
        return self.full + 2


def constructed_architecture(task: Task, positions: int) -> Architecture:
    """The shape of the construction for inputs of up to ``positions`` tokens.

    Raises:
        ConfigurationError: a vocabulary without START or END, which the construction reads and writes.
    """
    vocabulary = task.language.vocabulary
    if vocabulary.start is None or vocabulary.end is None:
        raise ConfigurationError("a vocabulary without START or END", expected="both")
    steps = task.language.depth + 1
    return Architecture(
        model_width=_Features(task.language.types, task.language.depth).width,
        vocabulary_size=len(vocabulary),
        blocks=(
            Block(heads=1, query_width=1, value_width=2, neurons=4 * steps),
            Block(heads=1, query_width=steps + 1, value_width=task.language.types, neurons=2),
        ),
        norm_sites=(),
        attention_scale=1.0,
        positions="scalar",
        scalar_period=positions,
        max_positions=positions,
        embedding_trained=False,
    )


@torch.no_grad()
def constructed_model(
    task: Task, positions: int, *, sharpness: float = SHARPNESS, forbidden: float = FORBIDDEN
) -> CanonicalTransformer:
    """The model of :func:`constructed_architecture`, float32, right at every length that fits.

    With a smaller ``sharpness`` and a ``forbidden`` nearer to 0 the weights are smaller, and training can move them.
    """
    model = CanonicalTransformer(constructed_architecture(task, positions), task)
    features = _Features(task.language.types, task.language.depth)
    _embed(model, features)
    _count(model, features, positions)
    _look_up(model, features, positions, sharpness)
    _answer(model, features, forbidden)
    return model


def _embed(model: CanonicalTransformer, features: _Features) -> None:
    vocabulary = model.task.language.vocabulary
    if vocabulary.start is not None:
        model.W_E[vocabulary.start, features.start] = 1.0
    for kind, (opening, closing) in enumerate(zip(vocabulary.opening, vocabulary.closing, strict=True)):
        model.W_E[opening, features.opener + kind] = 1.0
        model.W_E[opening, features.change] = 1.0
        model.W_E[closing, features.change] = -1.0


def _count(model: CanonicalTransformer, features: _Features, positions: int) -> None:
    """Layer 0: uniform attention averages START and the changes; rectifiers turn the ratio into steps."""
    attention = model.attentions[0]
    W_O, _ = attention.output
    for column, (read, written) in enumerate(((features.start, features.share), (features.change, features.height))):
        attention.W_V[read, 0, column] = 1.0
        W_O[0, column, written] = 1.0
    mlp, slope = model.mlps[0], 2.0 * (positions + 1)
    gate = slope * (features.depth + 2)  # above any argument of a step: closes it on what is no opening bracket
    neuron = 0
    for t in range(1, features.depth + 2):
        for written, gated in ((features.steps, False), (features.opener_steps, True)):
            for bias, sign in ((0.0, 1.0), (-1.0, -1.0)):
                mlp.W_in[features.height, neuron] = slope
                mlp.W_in[features.share, neuron] = -slope * (t - 0.5)
                mlp.b_in[neuron] = bias - (gate if gated else 0.0)
                if gated:
                    mlp.W_in[features.opener : features.opener + features.types, neuron] = gate
                mlp.W_out[neuron, written + t - 1] = sign
                neuron += 1


def _look_up(model: CanonicalTransformer, features: _Features, positions: int, sharpness: float) -> None:
    """Layer 1: the score is large on openers of the query's depth and grows with the position of the key.

    With one-hot depths step_t − step_(t+1), query · key counts the agreement. The most recent agreeing opener leads
    the next one, at least two tokens back, by ``sharpness``; one that does not agree is behind by more than the
    position can add.
    """
    attention = model.attentions[1]
    W_O, _ = attention.output
    recency = sharpness / 2 * positions  # times i/N: half of it per token
    for t in range(features.depth + 1):
        for weight, source in ((attention.W_Q, features.steps), (attention.W_K, features.opener_steps)):
            weight[source + t, 0, t] = 1.0
            if t < features.depth:
                weight[source + t + 1, 0, t] = -1.0
    attention.W_Q[:, 0, : features.depth + 1] *= recency + sharpness
    attention.b_Q[0, features.depth + 1] = recency
    attention.W_K[features.width - 1, 0, features.depth + 1] = 1.0
    for kind in range(features.types):
        attention.W_V[features.opener + kind, 0, kind] = 1.0
        W_O[0, kind, features.found + kind] = 1.0


def _answer(model: CanonicalTransformer, features: _Features, forbidden: float) -> None:
    """Log-probabilities: END or an opening bracket when the stack is empty, the right closing bracket otherwise."""
    _carry(model.mlps[1], features.steps, 0, features.inside)
    _carry(model.mlps[1], features.steps + features.depth - 1, 1, features.full)
    vocabulary, W_U = model.task.language.vocabulary, _unembedding(model)
    q = model.task.open_probability
    model.b_U.fill_(forbidden)
    model.b_U[vocabulary.end or 0] = math.log(1.0 - q)
    W_U[features.inside, vocabulary.end or 0] = forbidden
    for kind, (opening, closing) in enumerate(zip(vocabulary.opening, vocabulary.closing, strict=True)):
        model.b_U[opening] = math.log(q / features.types)
        W_U[features.full, opening] = forbidden
        model.b_U[closing] = 2 * forbidden  # twice without, once with a bracket open, then up for the right type
        W_U[features.inside, closing] = -forbidden
        W_U[features.found + kind, closing] = math.log(1.0 - q) - forbidden


def _carry(mlp: Mlp, read: int, neuron: int, written: int) -> None:
    mlp.W_in[read, neuron] = 1.0
    mlp.W_out[neuron, written] = 1.0


def _unembedding(model: CanonicalTransformer) -> Tensor:
    if model.W_U is None:
        raise ConfigurationError("a tied unembedding", expected="a map of its own")
    return model.W_U
