"""How much a head attends to the token before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from auditor.measures.attention import RowReading, Rows
from auditor.measures.taxonomy import kind_of_head


class PreviousTokenMass(RowReading):
    """Attention weight on the previous position, mean over the queries that have one."""

    version = 1
    summary = "attention mass on the previous token"
    unit = "probability"
    higher_means = "the head is more of a previous-token head"
    source = "Voita et al. 2019, arXiv 1905.09418, section 5.1; Clark et al. 2019, arXiv 1906.04341, section 3.1"
    claims = ("value", "rank", "predicate")
    predicates: ClassVar[Mapping[str, float]] = kind_of_head("previous-token")

    def read(self, rows: Rows) -> Tensor:
        """Weight on the position before, [batch, head, query]."""
        positions = torch.arange(rows.inputs.tokens.shape[1])
        return rows.mass_on((positions - 1).clamp_min(0).expand(len(rows.inputs), -1))
