"""How much a closing bracket attends to the bracket that it closes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.attention import Rows, matching_opener, row_scores
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class MatchingOpenerMass(InterpretationMethod):
    """Attention weight on the matching opening bracket, mean over the closing brackets of a sequence."""

    version = 1
    smallest_plan = "standard"
    family = "attention"
    summary = "attention mass of closing brackets on the bracket that they close"
    unit = "probability"
    higher_means = "the head looks more from a bracket to its partner"
    source = "Ebrahimi et al. 2020, arXiv 2010.04303, section 5"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(exact_head_splitting=Expected.RELABELLED)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]. Sequences whose inputs close no bracket are left out."""
        model, inputs = request.model, request.inputs
        return row_scores(self.name, model, inputs, _mass_on_partner, matching_opener(inputs) >= 0)


def _mass_on_partner(rows: Rows) -> Tensor:
    return rows.mass_on(matching_opener(rows.inputs).clamp_min(0))
