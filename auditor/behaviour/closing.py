"""Which closing bracket is right, as a target of the logits."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.tensors import Logits, Tokens


def right_closing(inputs: InputBatch) -> Tokens:
    """The closing bracket of the last open one, [sequence, position]; any one where none is open."""
    return torch.tensor(inputs.task.language.vocabulary.closing)[inputs.stack_top_type.clamp_min(0)]


def log_p_right_closing(logits: Logits, inputs: InputBatch) -> Tensor:
    """log p(right closing bracket) in nats, [batch, position]."""
    return logits.log_softmax(-1).gather(2, right_closing(inputs)[:, :, None]).squeeze(2)


def closing_contrast(model: CanonicalTransformer) -> Tensor:
    """For each bracket type the direction of its closing logit minus the mean of the others', [type, model].

    A number added to all logits drops out. Needs two types.
    """
    unembedding = model.W_E.T if model.W_U is None else model.W_U
    closing = unembedding[:, list(model.task.language.vocabulary.closing)].T
    others = (closing.sum(0) - closing) / (len(closing) - 1)
    return closing - others


def no_closing_contrast(model: CanonicalTransformer) -> str | None:
    """Why a model has no logit difference between closing brackets, or None."""
    if model.architecture.is_classifier:
        return "a classifier gives no logits of closing brackets"
    if model.task.language.types == 1:
        return "with one bracket type there is no other closing bracket to compare with"
    return None
