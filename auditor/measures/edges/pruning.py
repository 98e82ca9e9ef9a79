"""Pruning: edge by edge, from the logits to the input, what the margin can do without is cut for good.

Conmy et al. 2023, arXiv 2304.14997, algorithm 1 (ACDC), with the margin of the clean bracket type in place of the KL
divergence. Edges of one step are tried from the one that attribution scores least, not in the order of their numbers,
so that the order of the heads does not matter.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from auditor.measures.edges.attribution import Array, edge_attribution
from auditor.measures.edges.circuit import EdgeRuns

THRESHOLD = 0.02
"""Share of the whole margin that an edge must cost at least to be kept."""

MOST_EDGES = 1_000
"""Edges that are tried: each takes a run of the model."""


def prune(runs: EdgeRuns) -> tuple[Array, Tensor]:
    """What cutting each edge cost when it was tried, [sequence, edge] as a share of the whole margin; and which of
    them are kept, [edge]: those whose mean cost is at least :data:`THRESHOLD`."""
    edges = runs.graph.edges
    sizes = np.abs(edge_attribution(runs).mean(0)) if runs.count else np.zeros(len(edges))
    kept = torch.ones(len(edges), dtype=torch.bool)
    costs = np.zeros((runs.count, len(edges)))
    before = runs.ends[0]
    for step in reversed(runs.graph.steps):
        here = [index for index, (_, reader) in enumerate(edges) if reader in step.readers]
        for index in sorted(here, key=lambda one: float(sizes[one])):
            kept[index] = False
            after = runs.margins(kept)
            costs[:, index] = (before - after) / runs.total
            if costs[:, index].mean() >= THRESHOLD:
                kept[index] = True
            else:
                before = after
    return costs, kept
