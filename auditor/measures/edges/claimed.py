"""Circuits that people claim: a set of edges, or of nodes with all edges between them.

A node is a head or an MLP. The embedding and the logits belong to every circuit of nodes, and so do all MLPs where no
MLP is named (as in Wang et al. 2022, arXiv 2211.00593, where a circuit is a set of heads).
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from auditor.measures.edges.graph import EMBEDDING, Graph
from auditor.records.interpretation import EDGE_SIGN


def claimed_edges(graph: Graph, members: Collection[str]) -> Tensor:
    """True in [edge] for each edge that is a member, or between members."""
    nodes = {one for one in members if EDGE_SIGN not in one}
    if nodes:
        names_mlp = any(one.endswith(".mlp") for one in nodes)
        mlps = [] if names_mlp else [f"L{layer}.mlp" for layer in range(graph.architecture.layers)]
        nodes |= {EMBEDDING.label, "logits", *mlps}
    chosen = [
        label in members or (writer in nodes and (reader if reader.endswith("mlp") else reader.split(".")[0]) in nodes)
        for label, writer, reader in _named(graph)
    ]
    return torch.tensor(chosen)


def _named(graph: Graph) -> list[tuple[str, str, str]]:
    """The label of each edge, of its writer and of its reader."""
    return [
        (component.label, graph.writers[writer].label, graph.readers[reader])
        for component, (writer, reader) in zip(graph.components, graph.edges, strict=True)
    ]
