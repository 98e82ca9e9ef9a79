"""What a set of edges keeps, and what is left without it.

    faithfulness  (m(only these edges clean) − m(corrupt)) / (m(clean) − m(corrupt))
    completeness  (m(clean) − m(only these edges corrupt)) / (m(clean) − m(corrupt))

with m the mean margin of the clean bracket type and both denominators the mean over all sequences, so that the mean of
the scores of single sequences is the ratio of means. Hanna et al. 2024, arXiv 2403.17806, section 2; Marks et al. 2024,
arXiv 2403.19647, section 3.3.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request
from auditor.measures.edges.forward import cut, run, unchanged
from auditor.measures.edges.graph import Graph
from auditor.measures.patching.pairs import mean_margin
from auditor.measures.patching.runs import SharedPairs, shared_pairs

Array = NDArray[np.float64]

MAX_SEQUENCES = 64
"""Pairs of inputs: every edge is run on all of them."""


@dataclass(frozen=True)
class Piece:
    """Pairs that run together, with their untouched passes."""

    rows: Tensor
    part: InputBatch  # the clean inputs
    embedded: tuple[Tensor, Tensor]  # clean, corrupt
    clean: list[Tensor]  # writes
    corrupt: list[Tensor]
    margins: tuple[Tensor, Tensor]  # clean, corrupt; [sequence]


class CircuitRuns(ABC):
    """Runs of pairs of inputs with some edges cut; margins [sequence] are arrays, or tensors with gradients."""

    graph: Graph

    @abstractmethod
    def margins(self, kept: Tensor) -> Any:
        """Margin of the clean type, [sequence], when only the ``kept`` edges [edge] carry clean writes."""

    @property
    @abstractmethod
    def ends(self) -> tuple[Any, Any]:
        """Margins of the clean and the corrupt inputs, [sequence]."""

    def faithfulness(self, edges: Tensor) -> Any:
        """Share of the margin that is left with these ``edges`` [edge] alone, [sequence]."""
        return (self.margins(edges) - self.ends[1]) / self.total

    def completeness(self, edges: Tensor) -> Any:
        """Share of the margin that is lost without these ``edges`` [edge], [sequence]."""
        return (self.ends[0] - self.margins(~edges)) / self.total

    @property
    def total(self) -> float:
        """Mean margin that all edges carry, logits; 1 where it is 0, so that shares are 0."""
        total = float((self.ends[0] - self.ends[1]).mean())
        return total if total != 0.0 else 1.0


class EdgeRuns(CircuitRuns):
    """The clean and corrupt inputs of a request, and runs with some of the edges cut."""

    def __init__(self, pairs: SharedPairs) -> None:
        self.model, self.graph = pairs.clean.model, Graph(pairs.clean.model.architecture)
        self.pairs, self.count = pairs, len(pairs.clean.inputs)

    @torch.no_grad()
    def margins(self, kept: Tensor) -> Array:
        """Margin of the clean type, [sequence], when only the ``kept`` edges [edge] carry clean writes."""
        table, same = self.graph.table(kept), self._untouched(kept)
        found = np.empty(self.count)
        for piece in self.pieces:
            reads = cut(table, piece.corrupt)
            again = run(
                self.model, self.graph, piece.embedded[0], piece.part.tokens, reads, known=piece.clean[1 : 1 + same]
            )
            found[piece.rows.numpy()] = mean_margin(piece.part, again.logits).numpy()
        return found

    def _untouched(self, kept: Tensor) -> int:
        """How many writers, behind the embedding, come before anything that reads a corrupt write."""
        first = min((self.graph.edges[index][1] for index in (~kept).nonzero().flatten().tolist()), default=None)
        if first is None:
            return len(self.graph.writers) - 1
        return next(step.writers for step in self.graph.steps if first in step.readers) - 1

    @cached_property
    def ends(self) -> tuple[Array, Array]:
        """Margins of the clean and the corrupt inputs, [sequence]."""
        found = np.empty((2, self.count))
        for piece in self.pieces:
            found[:, piece.rows.numpy()] = torch.stack(piece.margins).numpy()
        return found[0], found[1]

    @cached_property
    def pieces(self) -> list[Piece]:
        """All pairs, those together that run together."""
        corrupt = self.pairs.corrupt.inputs
        with torch.no_grad():
            return [
                paired(self.model, self.graph, piece.rows, piece.part, corrupt.rows(piece.rows).tokens)
                for piece in self.pairs.clean.pieces()
            ]


def paired(model: CanonicalTransformer, graph: Graph, rows: Tensor, clean: InputBatch, corrupt: Tensor) -> Piece:
    """The untouched passes of clean inputs and of the ``corrupt`` tokens beside them."""
    sides = (clean.tokens, corrupt)
    embedded = tuple(model.embed(tokens) for tokens in sides)
    found = [run(model, graph, x, tokens, unchanged) for x, tokens in zip(embedded, sides, strict=True)]
    margins = tuple(mean_margin(clean, one.logits) for one in found)
    return Piece(rows, clean, (embedded[0], embedded[1]), found[0].writes, found[1].writes, (margins[0], margins[1]))


def edge_runs(request: Request) -> EdgeRuns:
    """Those of a request, shared by all methods about edges; at most ``MAX_SEQUENCES`` pairs."""

    return request.shared.once("edge runs", lambda: EdgeRuns(shared_pairs(request, most=MAX_SEQUENCES)))
