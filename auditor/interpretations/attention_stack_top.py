"""Stack-top mass: how much a head attends to the last unmatched opening bracket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.measures.attention import RowReading, Rows, with_open_bracket
from auditor.measures.taxonomy import kind_of_head


class StackTopMass(RowReading):
    """Attention weight on the last unmatched opener, mean over the queries with an open bracket."""

    version = 1
    smallest_plan = "quick"
    summary = "attention mass on the last unmatched opening bracket, where one is open"
    unit = "probability"
    higher_means = "the head looks more like a stack"
    source = "Ebrahimi et al. 2020, arXiv 2010.04303, section 5; Wen et al. 2023, arXiv 2312.01429"
    claims = ("value", "rank", "predicate")
    input_claims = ("rank", "set", "predicate")
    predicates: ClassVar[Mapping[str, float]] = kind_of_head("stack-like")

    def queries(self, inputs: InputBatch) -> Tensor:
        """Those with an open bracket."""
        return with_open_bracket(inputs)

    def read(self, rows: Rows) -> Tensor:
        """Weight on the last unmatched opener, [batch, head, query]."""
        return rows.mass_on(rows.inputs.opener.clamp_min(0))
