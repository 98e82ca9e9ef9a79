"""What all attributions of one score share: which sequences, which batches, which axes.

A method says how a batch is attributed; these classes do the rest.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.attribution.memory import tokens_at_once
from auditor.measures.attribution.score import Explained, blank_token, explained, has_score, why_no_score
from auditor.records import Component, Interpretation

MAX_SEQUENCES = 48
"""Sequences attributed: gradients and perturbations are the dearest of all methods."""

STEPS = 16
"""Points of a path integral. Invariance holds at any number; 16 keep completeness within about 1 % here."""

PERTURBATIONS = 16
"""Perturbed copies of an input that are run together."""

Attributor = Callable[[Explained], Tensor]
"""From a batch to its attributions [batch, feature], detached."""


class Attribution(InterpretationMethod):
    """Shares of one score per sequence (``auditor.measures.attribution.score``) among its features.

    ``features`` is the axis of what is attributed to: position, head or neuron.
    """

    family = "attribution"
    unit = "nats"
    features: ClassVar[str]
    share = 8  # gradients and perturbations cost most
    copies: ClassVar[int] = 1  # of each input that are run together
    needs_blank: ClassVar[bool] = False  # whether a token must stand for "no bracket here"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs a score, and a token for the baseline where the method has one."""
        if self.needs_blank and blank_token(model.task.language.vocabulary) is None:
            return "the vocabulary has neither MASK nor PAD for the baseline input"
        return why_no_score(model)

    @abstractmethod
    def attributor(self, model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator) -> Attributor:
        """What attributes a batch of ``seen``; what all batches must share is settled here."""

    def scores(
        self, model: CanonicalTransformer, inputs: InputBatch, generator: np.random.Generator, features: int
    ) -> NDArray[np.float64]:
        """[sequence, feature] of the sequences that have a score; 0 on padding."""
        seen = attributed(model, inputs)
        values = np.zeros((len(seen), features))
        if not len(seen):
            return values
        attribute = self.attributor(model, seen, generator)
        for rows, part in seen.batches(tokens=tokens_at_once(model, seen.tokens.shape[1], self.copies)):
            found = attribute(explained(model, part)).double().numpy()
            values[rows.numpy(), : found.shape[1]] = found
        return values


class TokenAttribution(Attribution):
    """Attributions to the tokens of the input. Compared as patterns: one row of scores per sequence."""

    features = "position"
    by_position = True
    claims = ("pattern",)
    distance = "cosine"

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part, position]."""
        model, inputs, generator = request.model, request.inputs, request.generator
        width = attributed(model, inputs).tokens.shape[1]
        values = self.scores(model, inputs, generator, width)
        return Interpretation(
            self.name, ("sequence", "part", "position"), (Component(0, part="tokens"),), values[:, None]
        )


class HeadAttribution(Attribution):
    """Attributions to the attention heads of all layers."""

    features = "head"
    claims = ("value", "rank")
    distance = "relative_change"

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs, generator = request.model, request.inputs, request.generator
        heads = model.architecture.heads
        values = self.scores(model, inputs, generator, len(heads))
        return Interpretation(self.name, ("sequence", "head"), heads, values)


class NeuronAttribution(Attribution):
    """Attributions to the MLP neurons of all layers."""

    features = "neuron"
    claims = ("value", "rank")
    distance = "relative_change"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs neurons."""
        return super().not_applicable(model) if model.mlps else "the model has no MLP neurons"

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, neuron]."""
        model, inputs, generator = request.model, request.inputs, request.generator
        neurons = model.architecture.neurons
        values = self.scores(model, inputs, generator, len(neurons))
        return Interpretation(self.name, ("sequence", "neuron"), neurons, values)


def attributed(model: CanonicalTransformer, inputs: InputBatch) -> InputBatch:
    """The first sequences that have a score."""
    seen = inputs.rows(has_score(model, inputs))
    return seen.rows(slice(0, min(MAX_SEQUENCES, len(seen))))
