"""Clean and corrupt inputs that differ in the type of one bracket pair.

In each sequence one opening bracket is chosen: the one on top of the stack at most decisions, the first among equals.
Its type goes up by one (the last becomes the first), and so does that of the closing bracket that matches it, if the
input reaches it: the corrupt string is as legal as the clean one, of the same length and depths. The two are read where
that opener is on top: there the right closing bracket of the clean string differs from that of the corrupt one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from auditor.behaviour.effects import mean_where
from auditor.behaviour.evaluation import decision_positions
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.language.grammar import states


@dataclass(frozen=True)
class Pairs:
    """Two inputs row for row. In both, ``scored`` are the positions read and ``stack_top_type`` is the clean type."""

    clean: InputBatch
    corrupt: InputBatch


def no_pairs(model: CanonicalTransformer) -> str | None:
    """Why there are no pairs for this model, or None."""
    if model.architecture.is_classifier:
        return "a classifier decides on no closing bracket"
    if model.task.language.types < 2:
        return "with one bracket type there is no other type to swap in"
    return None


def corrupted_pairs(inputs: InputBatch) -> Pairs:
    """One pair per sequence in which some decision is made; the others are left out."""
    inputs = inputs.rows(decision_positions(inputs).any(1))
    decisions = decision_positions(inputs)
    chosen = _most_asked(inputs, decisions)
    found = states(inputs.task.language, inputs.tokens.numpy())
    match = torch.from_numpy(found.match) == chosen[:, None]
    flipped = match | (torch.arange(match.shape[1]) == chosen[:, None])
    tokens = torch.where(flipped & inputs.not_padding, _next_type(inputs)[inputs.tokens], inputs.tokens)
    read = decisions & (inputs.opener == chosen[:, None])
    clean = replace(inputs, scored=read)
    return Pairs(clean, replace(clean, tokens=tokens))


def type_margin(logits: Tensor, top: Tensor, closing: Tensor) -> Tensor:
    """Logit of the closing bracket of the clean type minus that of the corrupt type: [..., output, vocabulary] →
    [..., output]."""
    clean, corrupt = (
        logits.gather(-1, closing[kind][:, None].expand(*logits.shape[:-1], 1)).squeeze(-1)
        for kind in (top, (top + 1) % len(closing))
    )
    return clean - corrupt


def mean_margin(part: InputBatch, logits: Tensor) -> Tensor:
    """Mean margin of the clean type over the positions read, logits: [batch, position, vocabulary] → [batch]."""
    return mean_where(type_margins(part, logits), part.scored)


def type_margins(part: InputBatch, logits: Tensor) -> Tensor:
    """Margin of the clean type at every position, [batch, position]; without meaning where it is not read."""
    closing = torch.tensor(part.task.language.vocabulary.closing)
    by_position = type_margin(logits.flatten(0, 1), part.stack_top_type.flatten().clamp_min(0), closing)
    return by_position.view(part.tokens.shape)


def _most_asked(inputs: InputBatch, decisions: Tensor) -> Tensor:
    """Position of the opener that is on top at most decisions, [sequence]."""
    asked = torch.zeros(inputs.tokens.shape, dtype=torch.int64)
    asked.scatter_add_(1, inputs.opener.clamp_min(0), decisions.to(torch.int64))
    return asked.argmax(1)


def _next_type(inputs: InputBatch) -> Tensor:
    """Token id → the same bracket of the next type; other tokens stay."""
    vocabulary = inputs.task.language.vocabulary
    table = torch.arange(len(vocabulary))
    for brackets in (vocabulary.opening, vocabulary.closing):
        table[torch.tensor(brackets)] = torch.tensor([*brackets[1:], brackets[0]])
    return table
