"""Stack-top mass: how much a head attends to the last unmatched opening bracket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.attention import Rows, row_scores, with_open_bracket
from auditor.measures.expectations import head_scores
from auditor.measures.taxonomy import kind_of_head
from auditor.records import Expected, Interpretation


class StackTopMass(InterpretationMethod):
    """Attention weight on the last unmatched opener, mean over the queries with an open bracket."""

    version = 1
    smallest_plan = "quick"
    family = "attention"
    summary = "attention mass on the last unmatched opening bracket, where one is open"
    unit = "probability"
    higher_means = "the head looks more like a stack"
    source = "Ebrahimi et al. 2020, arXiv 2010.04303, section 5; Wen et al. 2023, arXiv 2312.01429"
    claims = ("value", "rank", "predicate")
    distance = "relative_change"
    predicates: ClassVar[Mapping[str, float]] = kind_of_head("stack-like")
    expected: ClassVar[Mapping[str, Expected]] = head_scores(exact_head_splitting=Expected.RELABELLED)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]. Sequences whose inputs never leave a bracket open are left out."""
        model, inputs = request.model, request.inputs
        return row_scores(self.name, model, inputs, _mass_on_top, with_open_bracket(inputs))


def _mass_on_top(rows: Rows) -> Tensor:
    return rows.mass_on(rows.inputs.opener.clamp_min(0))
