"""Edge attribution: what the margin loses, to first order, when an edge carries its corrupt write.

    (clean write − corrupt write) · ∂ margin / ∂ what the reader reads, summed over positions

at the clean input (Syed et al. 2023, arXiv 2310.10348, section 3), or averaged over inputs between the corrupt and the
clean one (Hanna et al. 2024, arXiv 2403.17806, section 3, "EAP-IG inputs"). Averaged, the edges of the embedding sum
to the whole margin, by the fundamental theorem of calculus: how far they miss it is the error of the quadrature.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.measures.edges.circuit import EdgeRuns, Piece
from auditor.measures.edges.forward import nudged, run
from auditor.measures.edges.graph import Graph
from auditor.measures.patching.pairs import mean_margin

Array = NDArray[np.float64]

POINTS = 32
"""Gauss–Legendre points between the corrupt and the clean input. Hanna et al. use 5 equal steps."""


def edge_attribution(runs: EdgeRuns) -> Array:
    """At the clean input, logits, [sequence, edge]."""
    return _attribution(runs, [1.0], [1.0])


def integrated_edge_attribution(runs: EdgeRuns) -> tuple[Array, float]:
    """Averaged over :data:`POINTS` inputs, [sequence, edge]; and the mean size of what completeness misses over the
    mean size of the margin."""
    points, weights = np.polynomial.legendre.leggauss(POINTS)
    found = _attribution(runs, ((points + 1) / 2).tolist(), (weights / 2).tolist())
    of_embedding = found[:, [writer == 0 for writer, _ in runs.graph.edges]].sum(1)
    whole = runs.ends[0] - runs.ends[1]
    return found, float(np.abs(of_embedding - whole).sum()) / (float(np.abs(whole).sum()) or 1.0)


def _attribution(runs: EdgeRuns, points: list[float], weights: list[float]) -> Array:
    scores = np.zeros((runs.count, len(runs.graph.edges)))
    for piece in runs.pieces:
        found = attributed(runs.model, runs.graph, piece, points, weights)
        scores[piece.rows.numpy()] = found.numpy()
    return scores


def attributed(
    model: CanonicalTransformer,
    graph: Graph,
    piece: Piece,
    points: Sequence[float],
    weights: Sequence[float],
    *,
    is_differentiable: bool = False,
) -> Tensor:
    """The scores of all edges on pairs of inputs, [batch, edge]: a mean over inputs between corrupt (0) and clean (1).

    ``is_differentiable``: gradients can be taken of them again.
    """
    slopes = sum(
        weight * _slopes(model, graph, piece, point, is_differentiable=is_differentiable)
        for point, weight in zip(points, weights, strict=True)
    )
    changes = torch.stack([a - b for a, b in zip(piece.clean, piece.corrupt, strict=True)], 2)
    table = torch.einsum("bpwm,bprm->bwr", changes, torch.as_tensor(slopes))
    writers, readers = torch.tensor(graph.edges).T
    return table[:, writers, readers]


def _slopes(
    model: CanonicalTransformer, graph: Graph, piece: Piece, point: float, *, is_differentiable: bool
) -> Tensor:
    """∂ margin / ∂ what each reader reads, [batch, position, reader, model], at clean · point + corrupt · rest."""
    clean, corrupt = piece.embedded
    nudges: list[Tensor] = []
    with torch.enable_grad():
        mixed = corrupt + point * (clean - corrupt)
        logits = run(model, graph, mixed, piece.part.tokens, nudged(nudges)).logits
        margin = mean_margin(piece.part, logits).sum()
        return torch.cat(torch.autograd.grad(margin, nudges, create_graph=is_differentiable), 2)
