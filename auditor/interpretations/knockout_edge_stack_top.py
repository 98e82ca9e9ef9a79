"""Attention-edge knock-out: no head looks at the last unmatched opening bracket any more, one head at a time."""

from __future__ import annotations

from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.measures.ablation.knockout import EdgeKnockout


class StackTopKnockout(EdgeKnockout):
    """KL(untouched ‖ cut) when a head may not look from any query at the last unmatched opener behind it."""

    version = 1
    smallest_plan = "standard"
    summary = "how much the output distribution moves when the head may not look at the last unmatched opener"
    input_claims = ("rank", "set")

    def keys(self, inputs: InputBatch) -> Tensor:
        """The last unmatched opener; itself, where the query is one."""
        return inputs.opener
