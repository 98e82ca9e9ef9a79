"""How much a closing bracket attends to the bracket that it closes."""

from __future__ import annotations

from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.measures.attention import RowReading, Rows, matching_opener


class MatchingOpenerMass(RowReading):
    """Attention weight on the matching opening bracket, mean over the closing brackets of a sequence."""

    version = 1
    smallest_plan = "standard"
    summary = "attention mass of closing brackets on the bracket that they close"
    unit = "probability"
    higher_means = "the head looks more from a bracket to its partner"
    source = "Ebrahimi et al. 2020, arXiv 2010.04303, section 5"

    def queries(self, inputs: InputBatch) -> Tensor:
        """Closing brackets."""
        return matching_opener(inputs) >= 0

    def read(self, rows: Rows) -> Tensor:
        """Weight on the bracket that the query closes, [batch, head, query]."""
        return rows.mass_on(matching_opener(rows.inputs).clamp_min(0))
