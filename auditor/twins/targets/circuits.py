"""Edges and circuits: their scores on clean and corrupt inputs, differentiable in the weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.measures.edges.attribution import attributed
from auditor.measures.edges.circuit import CircuitRuns, Piece, paired
from auditor.measures.edges.claimed import claimed_edges
from auditor.measures.edges.forward import cut, run
from auditor.measures.edges.graph import Graph
from auditor.measures.edges.method import CircuitScore
from auditor.measures.patching.pairs import corrupted_pairs, mean_margin
from auditor.measures.untouched import Piece as Untouched
from auditor.twins.targets.quadrature import POINTS
from auditor.twins.targets.surrogate import Components, Scores, first_rows

ROWS = 24
"""Sequences of a batch that are paired with corrupt ones."""


def edge_attribution(*, is_integrated: bool) -> Scores:
    """First-order effect of an edge's corrupt write, at the clean input or averaged towards it: [sequence, edge]."""
    points, weights = zip(*POINTS, strict=True) if is_integrated else ((1.0,), (1.0,))

    def scores(model: CanonicalTransformer, piece: Untouched, components: Components) -> Tensor:
        runs = _Runs(model, piece)
        found = attributed(model, runs.graph, runs.piece, points, weights, is_differentiable=True)
        labels = [one.label for one in runs.graph.components]
        return found[:, [labels.index(one.label) for one in components]]

    return scores


def circuit_score(method: CircuitScore, members: Sequence[str]) -> Scores:
    """Faithfulness or completeness of a circuit that is claimed: [sequence, 1]."""

    def scores(model: CanonicalTransformer, piece: Untouched, _components: Components) -> Tensor:
        runs = _Runs(model, piece)
        found: Tensor = method.score_of(runs, claimed_edges(runs.graph, members))
        return found[:, None]

    return scores


class _Runs(CircuitRuns):
    """The first sequences of a batch in which a decision is made, each beside its corrupt input."""

    def __init__(self, model: CanonicalTransformer, untouched: Untouched) -> None:
        self.model, self.graph = model, Graph(model.architecture)
        pairs = corrupted_pairs(first_rows(untouched, ROWS).part)
        rows = torch.arange(len(pairs.clean))
        self.piece: Piece = paired(model, self.graph, rows, pairs.clean, pairs.corrupt.tokens)

    def margins(self, kept: Tensor) -> Tensor:
        """Margin of the clean type, [sequence], when only the ``kept`` edges [edge] carry clean writes."""
        piece = self.piece
        reads = cut(self.graph.table(kept), piece.corrupt)
        return mean_margin(piece.part, run(self.model, self.graph, piece.embedded[0], piece.part.tokens, reads).logits)

    @cached_property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Margins of the clean and the corrupt inputs, [sequence]: outputs, which a twin keeps, so without a slope."""
        clean, corrupt = self.piece.margins
        return clean.detach(), corrupt.detach()
