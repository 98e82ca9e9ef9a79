"""Representations to be compared between two models: what some parts hold at every token of the first sequences.

A method sees one model. So it returns the representations themselves, few enough to be kept, and its distance compares
those of the original with those of a variant, up to rotation and scale (``auditor.verdicts.similarity``).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.expectations import RAW_STREAM
from auditor.measures.streams import stream_components, streams_and_writes
from auditor.measures.untouched import Piece, untouched
from auditor.records import Component, Interpretation
from auditor.records.theory import Dependence

MOST_NUMBERS = 250_000
"""Kept per model (2 MB): bounds the sequences that are read."""

MAX_SEQUENCES = 32

IDLE = 1e-9
"""Length of a representation without its mean, beside that with it, below which it is the same at every token."""


class Representations(InterpretationMethod):
    """Activations of parts without their mean over all tokens, of the first sequences only; 0 on padding."""

    family = "similarity"
    share = 8
    by_position = True
    claims: ClassVar[tuple[str, ...]] = ("pattern",)
    unit = "activation"
    higher_means = "the part holds more of the feature there"
    axis: ClassVar[str]
    depends_on: ClassVar[Dependence] = RAW_STREAM

    @abstractmethod
    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """What has a representation."""

    @abstractmethod
    def activations(self, model: CanonicalTransformer, piece: Piece) -> Tensor:
        """[batch, component, position, model]."""

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, component, position, feature]. A part that holds the same everywhere is undefined."""
        components, width = self.components(request.model), request.model.architecture.model_width
        fits = max(1, MOST_NUMBERS // (len(components) * width * request.inputs.tokens.shape[1]))
        run = untouched(request, most=min(MAX_SEQUENCES, fits))
        length = run.inputs.tokens.shape[1]
        values = np.zeros((len(run.inputs), len(components), length, width))
        for piece in run.pieces():
            found = self.activations(request.model, piece)
            values[piece.rows.numpy(), :, : found.shape[2]] = found.double().numpy()
        real = run.inputs.not_padding.numpy()[:, None, :, None]
        size = np.sqrt(np.square(values * real).sum((0, 2, 3)))
        values = (values - (values * real).sum((0, 2), keepdims=True) / real.sum()) * real
        still = np.sqrt(np.square(values).sum((0, 2, 3))) <= IDLE * size
        values[:, still] = np.nan
        undefined = dict.fromkeys(np.flatnonzero(still).tolist(), "it holds the same at every token")
        return Interpretation(self.name, ("sequence", self.axis, "position", "feature"), components, values, undefined)


class StreamRepresentations(Representations):
    """The residual stream as embedded and after each layer."""

    axis = "part"

    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """The embedding and the stream after each layer."""
        return stream_components(model)

    def activations(self, model: CanonicalTransformer, piece: Piece) -> Tensor:
        """[batch, part, position, model]."""
        found = streams_and_writes(model, piece)
        return torch.stack([found[component] for component in stream_components(model)], 1)
