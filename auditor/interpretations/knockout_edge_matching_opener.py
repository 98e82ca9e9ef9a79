"""Attention-edge knock-out: no closing bracket looks at the bracket that it closes any more, one head at a time."""

from __future__ import annotations

from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.measures.ablation.knockout import EdgeKnockout
from auditor.measures.attention import matching_opener


class MatchingOpenerKnockout(EdgeKnockout):
    """KL(untouched ‖ cut) when a head may not look from a closing bracket at the bracket that it closes."""

    version = 1
    summary = "how much the output distribution moves when the head may not look from a closing bracket at its partner"

    def keys(self, inputs: InputBatch) -> Tensor:
        """The bracket that the query closes."""
        return matching_opener(inputs)
