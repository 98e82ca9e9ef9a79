"""Entropy of a head's attention rows."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.measures.attention import RowReading, Rows


class AttentionEntropy(RowReading):
    """H = −Σ A ln A of each row, mean over the queries that have a choice."""

    version = 1
    smallest_plan = "standard"
    summary = "entropy of the head's attention rows"
    unit = "nats"
    higher_means = "the head spreads its attention over more keys"
    source = "Clark et al. 2019, arXiv 1906.04341, section 3.3"

    def read(self, rows: Rows) -> Tensor:
        """H of each row, nats, [batch, head, query]."""
        entropy: Tensor = torch.special.entr(rows.pattern).sum(-1)
        return entropy
