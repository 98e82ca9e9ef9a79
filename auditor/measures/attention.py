"""Methods that read attention: numbers per row, averaged over chosen queries of each sequence, and whole matrices."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod, Request
from auditor.language.grammar import token_roles
from auditor.measures.expectations import HEAD_READINGS
from auditor.measures.untouched import Piece, untouched
from auditor.records import Component, Interpretation
from auditor.records.theory import Dependence


@dataclass(frozen=True)
class Rows:
    """The attention of one layer on some inputs."""

    pattern: Tensor  # [batch, head, query, key]
    allowed: Tensor  # [batch or 1, 1, query, key], False where a query may not look
    inputs: InputBatch

    @property
    def keys(self) -> Tensor:
        """How many keys each query may look at, [batch or 1, 1, query]."""
        return self.allowed.sum(-1)

    @property
    def uniform(self) -> Tensor:
        """The pattern that looks at every allowed key alike, [batch or 1, 1, query, key]."""
        return self.allowed / self.keys[..., None].to(self.pattern)

    def mass_on(self, key: Tensor) -> Tensor:
        """Weight of each row on one key per query; ``key`` [batch, query] → [batch, head, query]."""
        index = key[:, None, :, None].expand(-1, self.pattern.shape[1], -1, 1)
        return self.pattern.gather(3, index).squeeze(3)


class RowReading(InterpretationMethod):
    """One number for each attention row, mean over the chosen queries of a sequence."""

    family = "attention"
    claims: ClassVar[tuple[str, ...]] = ("value", "rank")
    distance = "relative_change"
    takes_conditions = True
    is_sum: ClassVar[bool] = False  # over the rows of a sequence, in place of their mean
    depends_on: ClassVar[Dependence] = HEAD_READINGS

    @abstractmethod
    def read(self, rows: Rows) -> Tensor:
        """One number for each row, [batch, head, query]. Only chosen queries are kept."""

    def queries(self, inputs: InputBatch) -> Tensor:
        """The rows that are read, [sequence, position]: here those that have a choice."""
        return with_choice(inputs)

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head].

        Sequences without a chosen query are left out; without any at all every head is undefined.
        """
        model, heads = request.model, request.model.architecture.heads
        where = request.inputs.read(self.queries(request.inputs))
        chosen = where.any(1)
        axes = ("sequence", "head")
        values = np.full((len(request.inputs), len(heads)), np.nan)
        if not bool(chosen.any()):
            reason = "no input has a query to read"
            return Interpretation(self.name, axes, heads, values, dict.fromkeys(range(len(heads)), reason))
        for piece in untouched(request).pieces():
            part = piece.part
            allowed = ~model.blocked(part.tokens).view(-1, 1, part.tokens.shape[1], part.tokens.shape[1])
            here = where[piece.rows][:, None, : part.tokens.shape[1]]
            columns = []
            for layer in range(model.architecture.layers):
                total = (self.read(Rows(piece.cache[Site.PATTERN, layer], allowed, part)) * here).sum(2)
                columns.append(total if self.is_sum else total / here.sum(2))
            values[piece.rows.numpy()] = torch.cat(columns, dim=1).numpy()
        return Interpretation(self.name, axes, heads, values[chosen.numpy()])


MAX_WEIGHTS = 1_000_000
"""Attention weights kept per model (8 MB): bounds the sequences that are read."""

MAX_SEQUENCES = 64


class AttentionMatrix(InterpretationMethod):
    """Whole matrices [query, key] per component, of the first sequences only. Rows of padding queries are zero."""

    family = "attention"
    by_position = True
    claims = ("pattern",)
    distance = "total_variation"
    axis: ClassVar[str]

    @abstractmethod
    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """What has a matrix."""

    @abstractmethod
    def matrices(self, model: CanonicalTransformer, piece: Piece) -> Tensor:
        """[batch, component, query, key]."""

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, component, query, key]."""
        components = self.components(request.model)
        fits = max(1, MAX_WEIGHTS // (len(components) * request.inputs.tokens.shape[1] ** 2))
        run = untouched(request, most=request.times_more * min(MAX_SEQUENCES, fits))
        width = run.inputs.tokens.shape[1]
        values = np.zeros((len(run.inputs), len(components), width, width))
        for piece in run.pieces():
            short = piece.part.tokens.shape[1]
            found = self.matrices(request.model, piece) * piece.part.not_padding[:, None, :, None]
            values[piece.rows.numpy(), :, :short, :short] = found.numpy()
        return Interpretation(self.name, ("sequence", self.axis, "query", "key"), components, values)


def with_choice(inputs: InputBatch) -> Tensor:
    """Queries that may look at more than themselves in a causal model: all but the first, [sequence, position]."""
    later = inputs.not_padding.clone()
    later[:, 0] = False
    return later


def with_open_bracket(inputs: InputBatch) -> Tensor:
    """Scored queries after which a bracket is open, [sequence, position]."""
    return inputs.scored & (inputs.depth > 0)


def matching_opener(inputs: InputBatch) -> Tensor:
    """Position of the bracket that each closing bracket closes, −1 elsewhere, [sequence, position].

    It is the last unmatched one before the closing bracket is read.
    """
    change = torch.from_numpy(token_roles(inputs.task.language.vocabulary).change)[inputs.tokens]
    before = torch.nn.functional.pad(inputs.opener[:, :-1], (1, 0), value=-1)
    return torch.where(inputs.not_padding & (change < 0), before, -1)
