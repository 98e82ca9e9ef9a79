"""How far back a head looks."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.measures.attention import RowReading, Rows


class AttentionDistance(RowReading):
    """Σ over keys of attention × |query − key|, mean over the queries that have a choice."""

    version = 1
    smallest_plan = "quick"
    summary = "mean distance from a query to where the head looks"
    unit = "positions"
    higher_means = "the head looks farther away"
    source = "Vig & Belinkov 2019, arXiv 1906.04284, section 4.2 (attention distance)"

    def read(self, rows: Rows) -> Tensor:
        """Mean distance under each row, [batch, head, query]."""
        position = torch.arange(rows.pattern.shape[-1], dtype=rows.pattern.dtype)
        return (rows.pattern * (position[:, None] - position[None, :]).abs()).sum(-1)
