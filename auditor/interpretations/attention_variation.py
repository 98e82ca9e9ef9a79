"""Attention variation: how far a head's attention pattern is from looking everywhere alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.attention import Rows, row_scores, with_choice
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class AttentionVariation(InterpretationMethod):
    """‖A − U‖²_F against uniform attention U, over all rows of a sequence.

    The distance in which the paper compares two models. Grows with the length, as each row adds its own.
    """

    version = 1
    family = "attention"
    summary = "squared Frobenius distance of the head's attention pattern from uniform attention"
    unit = "squared Frobenius distance"
    higher_means = "the head chooses more"
    source = "Wen et al. 2023, arXiv 2312.01429, section 4.1"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(exact_head_splitting=Expected.RELABELLED)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        return row_scores(self.name, model, inputs, _squared_distance, with_choice(inputs), summed=True)


def _squared_distance(rows: Rows) -> Tensor:
    return (rows.pattern - rows.uniform).square().sum(-1)
