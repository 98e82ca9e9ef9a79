"""Entropy of a head's attention rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.attention import Rows, row_scores, with_choice
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class AttentionEntropy(InterpretationMethod):
    """H = −Σ A ln A of each row, mean over the queries that have a choice."""

    version = 1
    smallest_plan = "standard"
    family = "attention"
    summary = "entropy of the head's attention rows"
    unit = "nats"
    higher_means = "the head spreads its attention over more keys"
    source = "Clark et al. 2019, arXiv 1906.04341, section 3.3"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(exact_head_splitting=Expected.RELABELLED)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        return row_scores(self.name, model, inputs, _entropy, with_choice(inputs))


def _entropy(rows: Rows) -> Tensor:
    entropy: Tensor = torch.special.entr(rows.pattern).sum(-1)
    return entropy
