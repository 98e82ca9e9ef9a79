"""How much a head attends to the token before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.attention import Rows, row_scores, with_choice
from auditor.measures.expectations import head_scores
from auditor.measures.taxonomy import kind_of_head
from auditor.records import Expected, Interpretation


class PreviousTokenMass(InterpretationMethod):
    """Attention weight on the previous position, mean over the queries that have one."""

    version = 1
    family = "attention"
    summary = "attention mass on the previous token"
    unit = "probability"
    higher_means = "the head is more of a previous-token head"
    source = "Voita et al. 2019, arXiv 1905.09418, section 5.1; Clark et al. 2019, arXiv 1906.04341, section 3.1"
    claims = ("value", "rank", "predicate")
    distance = "relative_change"
    predicates: ClassVar[Mapping[str, float]] = kind_of_head("previous-token")
    expected: ClassVar[Mapping[str, Expected]] = head_scores(exact_head_splitting=Expected.RELABELLED)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        return row_scores(self.name, model, inputs, _mass_on_previous, with_choice(inputs))


def _mass_on_previous(rows: Rows) -> Tensor:
    positions = torch.arange(rows.inputs.tokens.shape[1])
    return rows.mass_on((positions - 1).clamp_min(0).expand(len(rows.inputs), -1))
