"""How close a head's attention is to looking everywhere alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from auditor.measures.attention import RowReading, Rows
from auditor.measures.taxonomy import kind_of_head


class AttentionUniformity(RowReading):
    """Entropy of each row over ln n, the largest that n keys allow, mean over the queries that have a choice."""

    version = 1
    summary = "entropy of the head's attention rows as a share of the largest possible"
    unit = "share of the largest entropy"
    higher_means = "the head looks more nearly everywhere alike"
    source = "Clark et al. 2019, arXiv 1906.04341, section 3.3; Pielou 1966 (evenness)"
    claims = ("value", "rank", "predicate")
    predicates: ClassVar[Mapping[str, float]] = kind_of_head("uniform")

    def read(self, rows: Rows) -> Tensor:
        """H / ln n of each row, [batch, head, query]."""
        largest = rows.keys.clamp_min(2).to(rows.pattern).log()  # a row with one key has no entropy
        evenness: Tensor = torch.special.entr(rows.pattern).sum(-1) / largest
        return evenness
