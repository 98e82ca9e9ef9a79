"""The methods about edges: a score for each edge, or for each set of edges that one of these gives."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.edges.attribution import edge_attribution, integrated_edge_attribution
from auditor.measures.edges.circuit import CircuitRuns, EdgeRuns, edge_runs
from auditor.measures.edges.claimed import claimed_edges
from auditor.measures.edges.graph import Graph, no_graph
from auditor.measures.edges.pruning import MOST_EDGES, prune
from auditor.measures.expectations import HEAD_READINGS
from auditor.measures.patching.pairs import no_pairs
from auditor.records import Component, Expected, Interpretation
from auditor.records.interpretation import CIRCUIT
from auditor.records.theory import Aspect, Dependence, Expectation

Array = NDArray[np.float64]

ENOUGH = 0.8
"""Share of the margin from which a circuit is called faithful or complete: four fifths, as one would report it."""

OTHER_HEADS = Expectation(Expected.OPEN, "cuts edges one after another, and other heads take other edges' places")


class EdgeMethod(InterpretationMethod):
    """One score for each edge from a writer to a reader of the residual stream."""

    family = "circuit"
    share = 8
    claims: ClassVar[tuple[str, ...]] = ("value", "rank")
    distance = "relative_change"
    unit = "logits"
    higher_means = "the edge carries more of the bracket's type"
    depends_on: ClassVar[Dependence] = {
        **HEAD_READINGS,
        Aspect.HEAD_SHARES: Expected.CHANGES,
        Aspect.HEAD_SURPLUS: Expected.CHANGES,
    }

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs decisions between bracket types, and parts that all add to one stream."""
        return no_pairs(model) or no_graph(model)

    @abstractmethod
    def scores(self, request: Request, runs: EdgeRuns) -> tuple[Array, float | None]:
        """[sequence, edge], and their numerical error."""

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, edge]."""
        runs = edge_runs(request)
        values, error = self.scores(request, runs)
        return Interpretation(self.name, ("sequence", "edge"), runs.graph.components, values, numerical_error=error)


class CircuitScore(InterpretationMethod):
    """How well the circuits that are found by other methods stand for the model, one part per method.

    Pruning says how many edges a circuit has; edge attribution and integrated edge attribution give as many, those
    whose mean scores are largest in size.
    """

    family = "circuit"
    share = 8
    claims: ClassVar[tuple[str, ...]] = ("value", "predicate")
    distance = "relative_change"
    unit = "share of the margin"
    depends_on: ClassVar[Dependence] = {
        Aspect.HEAD_SHARES: OTHER_HEADS,
        Aspect.HEAD_SURPLUS: OTHER_HEADS,
        Aspect.HEAD_COUNT: OTHER_HEADS,
    }

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs circuits."""
        return no_pairs(model) or no_graph(model) or too_many_edges(model)

    @abstractmethod
    def score_of(self, runs: CircuitRuns, edges: Tensor) -> Any:
        """The score of a set of edges [edge], [sequence], an array or a tensor as the margins of ``runs`` are."""

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part]."""
        runs = edge_runs(request)
        found = circuits(request, runs)
        parts = tuple(Component(0, part=name) for name in found)
        values = np.stack([self.score_of(runs, edges) for edges in found.values()], axis=1)
        return Interpretation(self.name, ("sequence", "part"), parts, values)

    def of_circuit(self, members: tuple[str, ...]) -> InterpretationMethod:
        """The same score of one circuit that is given."""
        name = f"{self.name} of {', '.join(members)}"
        found: InterpretationMethod = type(type(self).__name__, (_Claimed, type(self)), {"members": members})()
        found.name, found.origin = name, self.origin
        return found


class _Claimed(CircuitScore):
    """The score of a circuit that is given, however it was found."""

    members: ClassVar[tuple[str, ...]]

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs decisions between bracket types, and parts that all add to one stream."""
        return no_pairs(model) or no_graph(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part]: the circuit is the one part."""
        runs = edge_runs(request)
        scores = self.score_of(runs, claimed_edges(runs.graph, self.members))
        part = Component(0, part=CIRCUIT + ", ".join(self.members))
        return Interpretation(self.name, ("sequence", "part"), (part,), scores[:, None])


def too_many_edges(model: CanonicalTransformer) -> str | None:
    """Why edges are not tried one by one, or None."""
    count = len(Graph(model.architecture).edges)
    return f"{count:,} edges to try one by one: more than {MOST_EDGES:,}" if count > MOST_EDGES else None


def attributed(request: Request, runs: EdgeRuns) -> Array:
    """Edge attribution, [sequence, edge]; computed once per request."""
    return request.shared.once("edge attribution", lambda: edge_attribution(runs))


def integrated(request: Request, runs: EdgeRuns) -> tuple[Array, float]:
    """Integrated edge attribution and its error; computed once per request."""
    return request.shared.once("integrated edge attribution", lambda: integrated_edge_attribution(runs))


def pruned(request: Request, runs: EdgeRuns) -> tuple[Array, Tensor]:
    """The costs of edges and which of them pruning keeps; computed once per request."""
    return request.shared.once("pruned edges", lambda: prune(runs))


def circuits(request: Request, runs: EdgeRuns) -> dict[str, Tensor]:
    """By method the edges of its circuit, True in [edge]; all of the size that pruning gives."""
    kept = pruned(request, runs)[1]
    size = int(kept.sum())
    found = {}
    for name, scores in (
        ("circuit_edge_attribution", attributed(request, runs)),
        ("circuit_edge_integrated_gradients", integrated(request, runs)[0]),
    ):
        chosen = torch.zeros(len(kept), dtype=torch.bool)
        chosen[np.argsort(-np.abs(scores.mean(0)), kind="stable")[:size].copy()] = True
        found[name] = chosen
    return {**found, "circuit_edge_pruning": kept}
