"""How close a head's attention is to looking everywhere alike."""

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


class AttentionUniformity(InterpretationMethod):
    """Entropy of each row over ln n, the largest that n keys allow, mean over the queries that have a choice."""

    version = 1
    family = "attention"
    summary = "entropy of the head's attention rows as a share of the largest possible"
    unit = "share of the largest entropy"
    higher_means = "the head looks more nearly everywhere alike"
    source = "Clark et al. 2019, arXiv 1906.04341, section 3.3; Pielou 1966 (evenness)"
    claims = ("value", "rank", "predicate")
    distance = "relative_change"
    predicates: ClassVar[Mapping[str, float]] = kind_of_head("uniform")
    expected: ClassVar[Mapping[str, Expected]] = head_scores(exact_head_splitting=Expected.RELABELLED)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        return row_scores(self.name, model, inputs, _evenness, with_choice(inputs))


def _evenness(rows: Rows) -> Tensor:
    largest = rows.keys.clamp_min(2).to(rows.pattern).log()  # a row with one key has no entropy
    evenness: Tensor = torch.special.entr(rows.pattern).sum(-1) / largest
    return evenness
