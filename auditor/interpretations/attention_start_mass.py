"""How much a head attends to START, where attention goes that has nowhere else to go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attention import RowReading, Rows
from auditor.measures.taxonomy import kind_of_head


class StartMass(RowReading):
    """Attention weight on START, mean over the later queries."""

    version = 1
    summary = "attention mass on START"
    unit = "probability"
    higher_means = "the head is more of an attention sink"
    source = "Xiao et al. 2023, arXiv 2309.17453, section 3.1 (attention sinks)"
    claims = ("value", "rank", "predicate")
    predicates: ClassVar[Mapping[str, float]] = kind_of_head("START sink")

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs a START token; it is the first token of every sequence."""
        return None if model.task.language.vocabulary.start is not None else "the vocabulary has no START token"

    def read(self, rows: Rows) -> Tensor:
        """Weight on START, [batch, head, query]."""
        return rows.mass_on(torch.zeros_like(rows.inputs.tokens))
