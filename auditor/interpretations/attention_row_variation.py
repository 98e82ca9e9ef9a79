"""How far a head's attention is from looking everywhere alike, row by row."""

from __future__ import annotations

from torch import Tensor

from auditor.measures.attention import RowReading, Rows


class RowVariation(RowReading):
    """Total variation ½ Σ|A − U| of each row against uniform attention U, mean over the queries that have a choice.

    Bounded by 1 at every length.
    """

    version = 1
    summary = "total variation of the head's attention rows from uniform attention"
    unit = "total variation"
    higher_means = "the head chooses more"
    source = "Wen et al. 2023, arXiv 2312.01429, section 4 (attention variation), per row"

    def read(self, rows: Rows) -> Tensor:
        """½ Σ|A − U| of each row, [batch, head, query]."""
        return 0.5 * (rows.pattern - rows.uniform).abs().sum(-1)
