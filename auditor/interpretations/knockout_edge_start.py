"""Attention-edge knock-out: no query looks at START any more, one head at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.ablation.knockout import EdgeKnockout


class StartKnockout(EdgeKnockout):
    """KL(untouched ‖ cut) when a head may not look at START; START itself, in a causal model, sees nothing else."""

    version = 1
    summary = "how much the output distribution moves when the head may not look at START"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs a START token; it is the first token of every sequence."""
        if model.task.language.vocabulary.start is None:
            return "the vocabulary has no START token"
        return super().not_applicable(model)

    def keys(self, inputs: InputBatch) -> Tensor:
        """The first position."""
        return torch.zeros_like(inputs.tokens)
