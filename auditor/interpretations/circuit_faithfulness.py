"""Faithfulness of circuits: how much of the margin their edges carry by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from auditor.measures.edges.circuit import CircuitRuns
from auditor.measures.edges.method import ENOUGH, CircuitScore


class CircuitFaithfulness(CircuitScore):
    """(margin with only the circuit's edges clean − corrupt margin) / (clean − corrupt margin), per circuit."""

    version = 1
    smallest_plan = "standard"
    summary = "share of the margin that is left when all edges outside the circuit carry corrupt writes"
    higher_means = "the circuit alone does more of what the model does"
    source = "Hanna et al. 2024, arXiv 2403.17806, section 2 (normalised faithfulness)"
    predicates: ClassVar[Mapping[str, float]] = {"faithful": ENOUGH}

    def score_of(self, runs: CircuitRuns, edges: Tensor) -> Any:
        """What is left with these edges alone, [sequence]."""
        return runs.faithfulness(edges)
