"""How far a head's attention is from looking everywhere alike, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.attention import Rows, row_scores, with_choice
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class RowVariation(InterpretationMethod):
    """Total variation ½ Σ|A − U| of each row against uniform attention U, mean over the queries that have a choice.

    Bounded by 1 at every length.
    """

    version = 1
    family = "attention"
    summary = "total variation of the head's attention rows from uniform attention"
    unit = "total variation"
    higher_means = "the head chooses more"
    source = "Wen et al. 2023, arXiv 2312.01429, section 4 (attention variation), per row"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(exact_head_splitting=Expected.RELABELLED)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        return row_scores(self.name, model, inputs, _total_variation, with_choice(inputs))


def _total_variation(rows: Rows) -> Tensor:
    return 0.5 * (rows.pattern - rows.uniform).abs().sum(-1)
