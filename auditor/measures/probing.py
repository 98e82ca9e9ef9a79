"""Linear probes with a control task, scored on sequences that they were not fitted on.

Every sequence is held out once: the distinct sequences fall into two folds by a hash of their tokens, and each fold is
scored by the probe that was fitted on the other. So copies of a sequence never stand on both sides, and neither the
order nor the number of a sequence in the batch matters.

The probe is ridge regression on one-hot labels, in closed form. The control task (Hewitt & Liang 2019, arXiv
1909.03368, section 2) gives every input type, here a token at a position, a random label drawn from the real ones: a
probe that is accurate on it has memorised. The difference of the two accuracies is the selectivity.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.expectations import RAW_STREAM
from auditor.measures.streams import activations_at, stream_components, write_components
from auditor.records import Interpretation
from auditor.records.theory import Dependence

FOLDS = 2

RIDGE = 1e-3
"""Penalty as a share of the mean variance of a feature: indifferent to the scale and the basis of the stream."""

TIE = 9
"""Digits of a prediction that count; labels that are equal up to rounding go to the smaller one."""


@dataclass(frozen=True)
class ProbeTask:
    """What a probe is to read at each position. Both [sequence, position]."""

    labels: Tensor
    where: Tensor  # positions that are read


class Probe(InterpretationMethod):
    """Held-out accuracy of a linear probe minus that of a random-label control, per stream and write.

    For the stream as embedded and after each layer, and for what each half of a layer writes. Reads the raw stream: a
    mean over features that every LayerNorm removes may still be read.
    """

    family = "probe"
    unit = "accuracy above control"
    source = "Alain & Bengio 2016, arXiv 1610.01644; Hewitt & Liang 2019, arXiv 1909.03368, equation 2"
    draws_at_random = True  # the labels of the control
    claims = ("value", "rank")
    distance = "relative_change"
    depends_on: ClassVar[Dependence] = RAW_STREAM

    @abstractmethod
    def task(self, inputs: InputBatch) -> ProbeTask:
        """What is to be read, and where."""

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part].

        Sequences without a position to read are left out; one distinct sequence cannot be held out.
        """
        task = self.task(request.inputs)
        chosen = task.where.any(1)
        seen = request.inputs.rows(chosen)
        components = (*stream_components(request.model), *write_components(request.model))
        axes, folds = ("sequence", "part"), folds_of(seen)
        if len(set(folds.tolist())) < FOLDS:
            reason = "fewer than two distinct sequences to read: none can be held out"
            blank = np.full((max(1, len(seen)), len(components)), np.nan)
            return Interpretation(self.name, axes, components, blank, dict.fromkeys(range(len(components)), reason))
        width = seen.tokens.shape[1]
        where, labels = task.where[chosen][:, :width], task.labels[chosen][:, :width]
        rows = torch.arange(len(seen))[:, None].expand(-1, width)[where].numpy()
        features = activations_at(request, task.where)
        targets = (labels[where].numpy(), _control_labels(seen, labels, where, request.generator))
        values = np.empty((len(seen), len(components)))
        for column, component in enumerate(components):
            right, by_chance = (_held_out(features[component], target, folds[rows]) for target in targets)
            gain = np.bincount(rows, weights=right.astype(float) - by_chance, minlength=len(seen))
            values[:, column] = gain / where.sum(1).numpy()
        return Interpretation(self.name, axes, components, values)


def folds_of(inputs: InputBatch) -> NDArray[np.int64]:
    """The fold of each sequence: distinct sequences in the order of their hashes, alternately, [sequence]."""
    texts = [
        row[not_padding].tobytes()
        for row, not_padding in zip(inputs.tokens.numpy(), inputs.not_padding.numpy(), strict=True)
    ]
    order = sorted(set(texts), key=lambda text: (zlib.crc32(text), text))
    place = {text: index % FOLDS for index, text in enumerate(order)}
    return np.asarray([place[text] for text in texts], dtype=np.int64)


def _control_labels(
    inputs: InputBatch, labels: Tensor, where: Tensor, generator: np.random.Generator
) -> NDArray[np.int64]:
    """A random label for each (token, position), as frequent as the real ones, at the chosen positions."""
    kinds, counts = np.unique(labels[where].numpy(), return_counts=True)
    share = generator.random((inputs.tokens.shape[1], len(inputs.task.language.vocabulary)))
    table = kinds[np.searchsorted(np.cumsum(counts)[:-1] / counts.sum(), share, side="right")]
    positions = np.broadcast_to(np.arange(inputs.tokens.shape[1]), tuple(inputs.tokens.shape))
    found: NDArray[np.int64] = table[positions, inputs.tokens.numpy()][where.numpy()]
    return found


def _held_out(features: NDArray[np.float64], labels: NDArray[np.int64], folds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the probe of the other fold names each label, [chosen]."""
    kinds, answers = np.unique(labels, return_inverse=True)
    right = np.empty(len(labels), dtype=np.bool_)
    for fold in range(FOLDS):
        held_out = folds == fold
        targets = (answers[~held_out, None] == np.arange(len(kinds))).astype(float)
        scores = _ridge_scores(features[~held_out], targets, features[held_out])
        right[held_out] = np.round(scores, TIE).argmax(1) == answers[held_out]
    return right


def _ridge_scores(
    features: NDArray[np.float64], targets: NDArray[np.float64], others: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Predictions for ``others``: intercept plus what :func:`ridge_weights` gives, [other, label]."""
    scores: NDArray[np.float64] = (others - features.mean(0)) @ ridge_weights(features, targets) + targets.mean(0)
    return scores


def ridge_weights(features: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """(XᵀX + λ 1)⁻¹ XᵀY on centred X [token, model] and Y [token, label], [model, label]."""
    x = features - features.mean(0)
    gram = x.T @ x
    penalty = RIDGE * max(float(np.trace(gram)) / len(gram), np.finfo(np.float64).tiny ** 0.5)
    weights: NDArray[np.float64] = np.linalg.solve(
        gram + penalty * np.eye(len(gram)), x.T @ (targets - targets.mean(0))
    )
    return weights
