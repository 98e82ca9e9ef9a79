"""The score that attributions explain, by loops, and the baseline that they start from."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch


def closing_score(logits: Tensor, inputs: InputBatch) -> Tensor:
    """Mean log-probability of the right closing bracket over the positions with an open one, [batch]."""
    log_p = logits.log_softmax(-1)
    scores = []
    for row in range(len(inputs)):
        positions = [
            j for j in range(inputs.tokens.shape[1]) if inputs.not_padding[row, j] and inputs.depth[row, j] > 0
        ]
        closing = [inputs.task.language.vocabulary.closing[int(inputs.stack_top_type[row, j])] for j in positions]
        scores.append(log_p[row, positions, closing].mean())
    return torch.stack(scores)


def masked(tokens: Tensor) -> Tensor:
    """The tokens with MASK (1) in place of every bracket (4 and above)."""
    return torch.where(tokens >= 4, 1, tokens)
