"""What all attributions of one score share: which sequences, which batches, which axes.

A method defines how a batch is attributed; these classes do the rest.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request, without_neurons
from auditor.measures.attribution.memory import tokens_at_once
from auditor.measures.attribution.score import Explained, blank_token, explained, has_score, why_no_score
from auditor.measures.expectations import HEAD_SCORES, NEURON_SCORES, WHOLE_SCORES
from auditor.records import Component, Interpretation
from auditor.records.theory import Dependence

MAX_SEQUENCES = 48
"""Sequences attributed: gradients and perturbations are the most expensive of all methods."""

PERTURBATIONS = 16
"""Perturbed copies of an input that are run together."""

Attributor = Callable[[Explained], Tensor]
"""From a batch to its attributions [batch, feature], detached."""


@dataclass(frozen=True)
class Attributed:
    """Attributions [sequence, feature] and what is known of their own error."""

    values: NDArray[np.float64]
    numerical_error: float | None = None  # share of the size of the scores
    undefined: Mapping[int, str] = field(default_factory=dict)  # by feature


class Attribution(InterpretationMethod):
    """Shares of one score per sequence (``auditor.measures.attribution.score``) among its features.

    ``features`` is the axis of what is attributed to: position, head or neuron.
    """

    family = "attribution"
    takes_conditions = True
    unit = "nats"
    features: ClassVar[str]
    share = 8  # gradients and perturbations cost most
    smallest_size: ClassVar[float] = 0.01  # share of the largest score below which a score's own error is not judged
    needs_blank: ClassVar[bool] = False  # whether a token must stand for "no bracket here"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs a score, and a token for the baseline where the method has one."""
        if self.needs_blank and blank_token(model.task.language.vocabulary) is None:
            return "the vocabulary has neither MASK nor PAD for the baseline input"
        return why_no_score(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, feature] of the first sequences that have a score."""
        seen = attributed(request.model, request.inputs, times_more=request.times_more)
        if len(seen):
            return self.laid_out(request.model, self.attributions(replace(request, inputs=seen)))
        columns = 1 if self.by_position else len(self.components(request.model))
        return self.laid_out(request.model, Attributed(np.zeros((0, columns))))

    @abstractmethod
    def attributions(self, request: Request) -> Attributed:
        """Attributions of all of the inputs; 0 on padding."""

    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """What is scored, in order."""
        found: tuple[Component, ...] = getattr(model.architecture, f"{self.features}s")
        return found

    def laid_out(self, model: CanonicalTransformer, found: Attributed) -> Interpretation:
        """The interpretation with its axes; scores without a number are NaN."""
        values = found.values.copy()
        values[:, [*found.undefined]] = np.nan
        axes, components = ("sequence", self.features), self.components(model)
        return Interpretation(self.name, axes, components, values, found.undefined, found.numerical_error)


class ByBatch(Attribution):
    """Attributions made batch by batch."""

    copies: ClassVar[int] = 1  # of each input that are run together

    @abstractmethod
    def attribute(self, batch: Explained) -> Tensor:
        """Attributions of a batch [batch, feature], detached."""

    def attributions(self, request: Request) -> Attributed:
        """Attributions of all batches."""
        return Attributed(by_batch(request, self.attribute, copies=self.copies))


class TokenAttribution(Attribution):
    """Attributions to the tokens of the input. Compared as patterns: one row of scores per sequence."""

    features = "position"
    by_position = True
    claims = ("pattern",)
    distance = "cosine"
    depends_on: ClassVar[Dependence] = WHOLE_SCORES

    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """All tokens together."""
        del model
        return (Component(0, part="tokens"),)

    def laid_out(self, model: CanonicalTransformer, found: Attributed) -> Interpretation:
        """Scores [sequence, part, position]; without a number if any position is."""
        why = next(iter(found.undefined.values()), None)
        values = found.values[:, None] if why is None else np.full_like(found.values[:, None], np.nan)
        undefined = {} if why is None else {0: why}
        axes = ("sequence", "part", "position")
        return Interpretation(self.name, axes, self.components(model), values, undefined, found.numerical_error)


class HeadAttribution(Attribution):
    """Attributions to the attention heads of all layers."""

    features = "head"
    claims = ("value", "rank")
    input_claims = ("rank", "set")
    distance = "relative_change"
    depends_on: ClassVar[Dependence] = HEAD_SCORES


class NeuronAttribution(Attribution):
    """Attributions to the MLP neurons of all layers."""

    features = "neuron"
    claims = ("value", "rank")
    distance = "relative_change"
    depends_on: ClassVar[Dependence] = NEURON_SCORES
    smallest_size = 0.3  # of many neurons only those that score most are claimed

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs neurons."""
        return without_neurons(model) or super().not_applicable(model)


def by_batch(request: Request, attribute: Attributor, *, copies: int) -> NDArray[np.float64]:
    """[sequence, feature] of all sequences; 0 on padding."""
    model, seen = request.model, request.inputs
    values: NDArray[np.float64] = np.zeros((len(seen), 0))
    for rows, part in seen.batches(tokens=tokens_at_once(model, seen.tokens.shape[1], copies)):
        found = attribute(explained(model, part)).double().numpy()
        values = np.pad(values, ((0, 0), (0, max(0, found.shape[1] - values.shape[1]))))
        values[rows.numpy(), : found.shape[1]] = found
    return values


def attributed(model: CanonicalTransformer, inputs: InputBatch, *, times_more: int = 1) -> InputBatch:
    """The first sequences that have a score, ``times_more`` of :data:`MAX_SEQUENCES`."""
    seen = inputs.rows(has_score(model, inputs))
    return seen.rows(slice(0, min(times_more * MAX_SEQUENCES, len(seen))))
