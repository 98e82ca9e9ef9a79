"""How much a head attends to START, where attention goes that has nowhere else to go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.attention import Rows, row_scores, with_choice
from auditor.measures.expectations import head_scores
from auditor.measures.taxonomy import kind_of_head
from auditor.records import Expected, Interpretation


class StartMass(InterpretationMethod):
    """Attention weight on START, mean over the later queries."""

    version = 1
    family = "attention"
    summary = "attention mass on START"
    unit = "probability"
    higher_means = "the head is more of an attention sink"
    source = "Xiao et al. 2023, arXiv 2309.17453, section 3.1 (attention sinks)"
    claims = ("value", "rank", "predicate")
    distance = "relative_change"
    predicates: ClassVar[Mapping[str, float]] = kind_of_head("START sink")
    expected: ClassVar[Mapping[str, Expected]] = head_scores(exact_head_splitting=Expected.RELABELLED)

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs a START token; it stands in front of every sequence."""
        return None if model.task.language.vocabulary.start is not None else "the vocabulary has no START token"

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        return row_scores(self.name, model, inputs, _mass_on_start, with_choice(inputs))


def _mass_on_start(rows: Rows) -> Tensor:
    return rows.mass_on(torch.zeros_like(rows.inputs.tokens))
