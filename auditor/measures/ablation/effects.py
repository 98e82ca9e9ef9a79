"""What an edit does to the outputs: the registry of effects that every ablation and patching method reads off.

An effect compares untouched and edited logits output by output; ``sweep`` averages it over the outputs of a sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from auditor.behaviour.effects import kl_per_position
from auditor.behaviour.evaluation import CLOSING_THRESHOLD, decision_positions
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer

EffectName = Literal["kl", "logit_difference", "closing_accuracy"]

Measure = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(untouched [output, vocabulary], edited [edit, output, vocabulary], type on top of the stack [output], closing token
ids [type]) → [edit, output]."""


@dataclass(frozen=True)
class Effect:
    """A measure of how far outputs moved. ``decisions``: only where the model decides which bracket closes.

    ``higher_means`` is a template that names the edited ``{component}``.
    """

    unit: str
    higher_means: str
    decisions: bool
    measure: Measure

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Why this effect does not exist for this model, or None."""
        if self.decisions and model.architecture.is_classifier:
            return "a classifier decides on no closing bracket"
        if self.decisions and model.task.language.types < 2:
            return "with one bracket type there is no other closing bracket to prefer"
        return None

    def outputs(self, model: CanonicalTransformer, part: InputBatch) -> Tensor:
        """Which outputs count, True in [batch, position]; the one of a classifier is put down to the first position."""
        if model.architecture.is_classifier:
            first = torch.zeros_like(part.not_padding)
            first[:, 0] = True
            return first
        return decision_positions(part) if self.decisions else part.scored


def closing_margin(logits: Tensor, top: Tensor, closing: Tensor) -> Tensor:
    """Logit of the closing bracket that matches, minus the mean of the others: [..., output, vocabulary] →
    [..., output]."""
    given = logits[..., closing]
    right = given.gather(-1, top[:, None].expand(*given.shape[:-1], 1)).squeeze(-1)
    return right - (given.sum(-1) - right) / (len(closing) - 1)


def _kl(untouched: Tensor, edited: Tensor, top: Tensor, closing: Tensor) -> Tensor:
    del top, closing
    return kl_per_position(_log_probabilities(untouched), _log_probabilities(edited))


def _log_probabilities(logits: Tensor) -> Tensor:
    """``log_softmax``, several times as fast where the last axis is as short as a bracket vocabulary."""
    return logits - logits.logsumexp(-1, keepdim=True)


def _logit_difference(untouched: Tensor, edited: Tensor, top: Tensor, closing: Tensor) -> Tensor:
    return closing_margin(untouched, top, closing) - closing_margin(edited, top, closing)


def _closing_accuracy(untouched: Tensor, edited: Tensor, top: Tensor, closing: Tensor) -> Tensor:
    return _is_right(untouched, top, closing).to(edited.dtype) - _is_right(edited, top, closing).to(edited.dtype)


def _is_right(logits: Tensor, top: Tensor, closing: Tensor) -> Tensor:
    share = logits[..., closing].softmax(-1)
    return share.gather(-1, top[:, None].expand(*share.shape[:-1], 1)).squeeze(-1) > CLOSING_THRESHOLD


EFFECTS: Mapping[EffectName, Effect] = {
    "kl": Effect("nats per token", "the {component} matters more", decisions=False, measure=_kl),
    "logit_difference": Effect(
        "logits", "the {component} supports the right bracket", decisions=True, measure=_logit_difference
    ),
    "closing_accuracy": Effect(
        "share of decisions", "more decisions need the {component}", decisions=True, measure=_closing_accuracy
    ),
}
