"""Entropy of a head's attention rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod
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

    def interpret(
        self, model: CanonicalTransformer, inputs: InputBatch, generator: np.random.Generator
    ) -> Interpretation:
        """Scores [sequence, head]."""
        del generator
        return row_scores(self.name, model, inputs, _entropy, with_choice(inputs))


def _entropy(rows: Rows) -> Tensor:
    entropy: Tensor = torch.special.entr(rows.pattern).sum(-1)
    return entropy
