"""Completeness of circuits: how much of the margin is gone without their edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from auditor.measures.edges.circuit import CircuitRuns
from auditor.measures.edges.method import ENOUGH, CircuitScore


class CircuitCompleteness(CircuitScore):
    """(clean margin − margin with only the circuit's edges corrupt) / (clean − corrupt margin), per circuit."""

    version = 1
    summary = "share of the margin that is gone when the edges of the circuit carry corrupt writes"
    higher_means = "less outside the circuit can do its work"
    source = "Marks et al. 2024, arXiv 2403.19647, section 3.3; Wang et al. 2022, arXiv 2211.00593, section 4"
    predicates: ClassVar[Mapping[str, float]] = {"complete": ENOUGH}

    def score_of(self, runs: CircuitRuns, edges: Tensor) -> Any:
        """What is lost without these edges, [sequence]."""
        return runs.completeness(edges)
