"""Attention variation: how far a head's attention pattern is from looking everywhere alike."""

from __future__ import annotations

from torch import Tensor

from auditor.measures.attention import RowReading, Rows


class AttentionVariation(RowReading):
    """‖A − U‖²_F against uniform attention U, over all rows of a sequence.

    The distance in which the paper compares two models. Grows with the length, as each row adds its own.
    """

    version = 1
    summary = "squared Frobenius distance of the head's attention pattern from uniform attention"
    unit = "squared Frobenius distance"
    higher_means = "the head chooses more"
    source = "Wen et al. 2023, arXiv 2312.01429, section 4.1"
    is_sum = True

    def read(self, rows: Rows) -> Tensor:
        """Σ (A − U)² of each row, [batch, head, query]."""
        return (rows.pattern - rows.uniform).square().sum(-1)
