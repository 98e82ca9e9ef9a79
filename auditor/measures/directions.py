"""Causal ablation of directions of the residual stream, against a random control that takes as much away.

With U an orthonormal basis [model, direction] and μ the mean of the stream, every position's x becomes
x − (x − μ) U Uᵀ: along these directions the stream keeps its mean. The control takes the same numbers (x − μ) U away
along R instead, so at every position a vector of the same length is added, once with R and once with −R. R is random:
Gaussian weights, one for each token at a position, times x − μ, made orthonormal and orthogonal to U. It is drawn from
what the stream holds, not from its coordinates, so that no change of basis changes the control.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.ablation.effects import EFFECTS
from auditor.measures.ablation.sweep import EDIT_TOKENS, Reading
from auditor.measures.expectations import RAW_STREAM
from auditor.measures.streams import activations_at, stream_components, streams_and_writes
from auditor.measures.untouched import Piece, untouched
from auditor.records import Interpretation
from auditor.records.theory import Dependence

Array = NDArray[np.float64]

CONTROLS = 2
"""Random bases R; with −R twice as many controls."""

DEPENDENT = 1e-8
"""Share of the longest direction below which what is left of one is rounding."""


@dataclass(frozen=True)
class Found:
    """Directions [model, direction], or why there are none."""

    basis: Array | None
    reason: str = ""


@dataclass(frozen=True)
class Edit:
    """The amounts (x − mean) U that are taken from a stream: along U, the first of ``bases``, or along a control."""

    mean: Tensor  # [model]
    bases: Tensor  # [1 + control, model, direction]


class DirectionAblation(InterpretationMethod):
    """KL(untouched ‖ ablated) when the stream loses some directions, minus the mean of the controls.

    For the stream as embedded and after each layer, at all positions, mean over a sequence's outputs. Directions are
    found on the same inputs; that cannot flatter them, for the effect is no accuracy of what was fitted.
    """

    family = "direction"
    takes_conditions = True
    unit = "nats per token above control"
    higher_means = "the model uses the direction more than others of the same size"
    draws_at_random = True
    claims = ("value", "rank")
    distance = "relative_change"
    depends_on: ClassVar[Dependence] = RAW_STREAM

    @abstractmethod
    def where(self, inputs: InputBatch) -> Tensor:
        """The positions on which directions are found, [sequence, position]."""

    @abstractmethod
    def directions(self, features: Array, inputs: InputBatch, where: Tensor) -> Found:
        """At most one direction fewer than there are types, or one; ``features`` [token, model] is the stream there."""

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part]."""
        inputs, components, where = request.inputs, stream_components(request.model), self.where(request.inputs)
        language = inputs.task.language
        most = max(1, language.types - 1)
        weights = request.generator.normal(size=(CONTROLS, where.shape[1], len(language.vocabulary), most))
        features = activations_at(request, where)
        values = np.full((len(inputs), len(components)), np.nan)
        undefined: dict[int, str] = {}
        edits: dict[int, Edit] = {}
        for column, component in enumerate(components):
            made = self._edit(features.get(component), inputs, where, weights)
            if isinstance(made, str):
                undefined[column] = made
            else:
                edits[column] = made
        run = untouched(request)
        for piece in run.pieces():
            streams = streams_and_writes(request.model, piece)
            for column, edit in edits.items():
                effect = direction_effects(request.model, piece, streams[components[column]], column, edit)
                values[piece.rows.numpy(), column] = (effect[0] - effect[1:].mean(0)).numpy()
        return Interpretation(self.name, ("sequence", "part"), components, values, undefined)

    def _edit(self, features: Array | None, inputs: InputBatch, where: Tensor, weights: Array) -> Edit | str:
        """The edit of one stream, or why there is none."""
        if features is None or not len(features):
            return "no position is read"
        found = self.directions(features, inputs, where)
        if found.basis is None:
            return found.reason
        mean = features.mean(0)
        position = torch.arange(where.shape[1]).expand_as(where)[where].numpy()
        drawn = weights[:, position, inputs.tokens[where].numpy(), : found.basis.shape[1]]
        controls = []
        for draw in drawn:
            mixed = (features - mean).T @ draw
            basis = orthonormal(mixed - found.basis @ (found.basis.T @ mixed), float(np.linalg.norm(mixed)))
            if basis is None:
                return "the stream varies in no other direction, so that there is no control"
            controls += [basis, -basis]
        return Edit(torch.from_numpy(mean), torch.from_numpy(np.stack([found.basis, *controls])))


def orthonormal(columns: Array, scale: float | None = None) -> Array | None:
    """Gram–Schmidt of ``columns`` [model, direction] in order; None where one depends on those before it.

    ``scale`` is the length beside which what is left may be rounding; that of the columns if it is not given.
    """
    if columns.shape[1] > columns.shape[0]:
        return None
    q, r = np.linalg.qr(columns)
    left = np.diag(r)
    if np.abs(left).min() <= DEPENDENT * (float(np.linalg.norm(columns)) if scale is None else scale):
        return None
    basis: Array = q * np.sign(left)
    return basis


def direction_effects(model: CanonicalTransformer, piece: Piece, stream: Tensor, layer: int, edit: Edit) -> Tensor:
    """KL(untouched ‖ edited), mean over each sequence's outputs, [1 + control, sequence].

    ``stream`` [batch, position, model] enters ``layer``, or leaves the last where that is their number.
    """
    kl, tokens = EFFECTS["kl"], piece.part.tokens
    where = kl.outputs(model, piece.part)
    reading = Reading.of(piece.part, where, kl)
    is_classifier, is_last = model.architecture.is_classifier, layer == model.architecture.layers
    before = piece.logits if is_classifier else piece.logits[where]
    mean, bases = edit.mean.to(stream), edit.bases.to(stream)
    amount = (stream - mean) @ bases[0]
    found = []
    for some in torch.split(bases, max(1, EDIT_TOKENS // tokens.numel())):
        edited = (stream - torch.einsum("bpd,emd->ebpm", amount, some)).flatten(0, 1)
        again = tokens.repeat(len(some), 1)
        logits = model.read(edited, again) if is_last else model.run_from(edited, again, layer, fast=True)
        logits = logits.view(len(some), len(tokens), *logits.shape[1:])
        found.append(reading.per_sequence(before, logits if is_classifier else logits[:, where]))
    return torch.cat(found)
