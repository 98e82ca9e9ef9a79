"""What two models answer to the same inputs, output by output: the numbers that a certificate is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.effects import kl_per_position
from auditor.behaviour.evaluation import CLOSING_THRESHOLD, decision_positions
from auditor.behaviour.input_batch import InputBatch, Rewritten
from auditor.canonical.model import CanonicalTransformer


@dataclass(frozen=True)
class Comparison:
    """Two models on one set of sequences. Arrays are flat: [scored] over the outputs that the objective covers.

    A classifier has one scored output for each string. A decision is a scored output with an open bracket (of a
    classifier, every output); ``differs`` and ``right`` are False elsewhere.
    """

    kl: NDArray[np.float64]  # KL(original ‖ variant), nats
    total_variation: NDArray[np.float64]
    owner: NDArray[np.int64]  # which sequence
    position: NDArray[np.int64]  # in the input of the original
    depth: NDArray[np.int64]  # stack height after the token
    distance: NDArray[np.int64]  # from the opener of the stack top to the next token; 0 where the stack is empty
    confidence: NDArray[np.float64]  # original's largest less its second largest probability
    decides: NDArray[np.bool_]
    differs: NDArray[np.bool_]  # another closing bracket, or class, is preferred
    right: NDArray[np.bool_]  # [scored, 2] closing accuracy of (original, variant)
    uncovered_kl: NDArray[np.float64]  # [outputs that the objective does not cover]
    max_abs_logit: float
    max_abs_log_probability: float
    sequences: int

    @property
    def is_finite(self) -> bool:
        """Whether every logit of both models was finite."""
        return math.isfinite(self.max_abs_logit)

    def where(self, chosen: NDArray[np.bool_]) -> Comparison:
        """Only some of the scored outputs."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in _PER_OUTPUT})


_PER_OUTPUT = (
    "kl",
    "total_variation",
    "owner",
    "position",
    "depth",
    "distance",
    "confidence",
    "decides",
    "differs",
    "right",
)


@torch.no_grad()
def compare(
    original: CanonicalTransformer, variant: CanonicalTransformer, given: Rewritten, *, fast: bool = True
) -> Comparison:
    """The original on the inputs before, the variant on those after they were rewritten; often the same.

    ``fast`` rounds otherwise in the last digits; an exact certificate is established without it.
    """
    inputs, rewrites = given.before, given.before is not given.after
    columns: dict[str, list[NDArray[np.generic]]] = {name: [] for name in (*_PER_OUTPUT, "uncovered_kl")}
    largest, largest_log_p = 0.0, 0.0
    closing = torch.tensor(inputs.task.language.vocabulary.closing)
    for rows, batch in inputs.batches():
        part = _read_out_only(batch) if original.architecture.is_classifier else batch
        ours = original(batch.tokens, fast=fast)
        theirs = variant(given.after.rows(rows).tokens, fast=fast).to(original.dtype)
        if original.architecture.is_classifier:
            ours, theirs = ours[:, None], theirs[:, None]
        elif rewrites:
            theirs = _answers_in_place(ours, theirs, batch, given.after.rows(rows))
        difference = (ours - theirs)[part.not_padding].abs().max()
        largest = max(largest, float(difference.nan_to_num(nan=math.inf, posinf=math.inf)))
        log_p, log_q = ours.log_softmax(-1), theirs.log_softmax(-1)
        difference = (log_p - log_q)[part.not_padding].abs().max()
        largest_log_p = max(largest_log_p, float(difference.nan_to_num(nan=math.inf)))
        kl = kl_per_position(log_p, log_q)
        uncovered = part.not_padding & ~part.scored & (not rewrites)
        columns["uncovered_kl"].append(kl[uncovered].double().numpy())
        scored = part.scored
        found = _at_outputs(
            log_p[scored], log_q[scored], part, None if original.architecture.is_classifier else closing
        )
        found |= {"kl": kl[scored].double(), "owner": rows[:, None].expand_as(kl)[scored]}
        for name, values in found.items():
            columns[name].append(values.numpy())
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Comparison(**joined, max_abs_logit=largest, max_abs_log_probability=largest_log_p, sequences=len(inputs))


def _at_outputs(log_p: Tensor, log_q: Tensor, part: InputBatch, closing: Tensor | None) -> dict[str, Tensor]:
    """Every column of the scored outputs but their KL and owner; ``log_p`` and ``log_q`` are [scored, vocabulary]."""
    scored = part.scored
    decides = decision_positions(part)[scored]
    choice = torch.stack([log_p, log_q], dim=1)  # [scored, 2, vocabulary]
    if closing is not None:
        choice = choice[..., closing]
    best = choice.argmax(-1)
    top = part.stack_top_type[scored].clamp_min(0)
    share = choice.softmax(-1).gather(2, top[:, None, None].expand(-1, 2, 1)).squeeze(2)
    place = torch.arange(scored.shape[1]).expand_as(scored)[scored]
    opener = part.opener[scored]
    leading = log_p.exp().topk(2, dim=-1).values
    return {
        "total_variation": (0.5 * (log_p.exp() - log_q.exp()).abs().sum(-1)).double(),
        "position": place,
        "depth": part.depth[scored],
        "distance": torch.where(opener < 0, 0, place + 1 - opener),
        "confidence": (leading[:, 0] - leading[:, 1]).double(),
        "decides": decides,
        "differs": decides & (best[:, 0] != best[:, 1]),
        "right": decides[:, None] & (share > CLOSING_THRESHOLD),
    }


def _answers_in_place(ours: Tensor, theirs: Tensor, before: InputBatch, after: InputBatch) -> Tensor:
    """The variant's logits at the scored outputs of ``after``, where these outputs are in ``before``."""
    placed = ours.clone()
    placed[before.scored] = theirs[after.scored]
    return placed


def _read_out_only(part: InputBatch) -> InputBatch:
    first = part.rows(slice(None))
    one = {
        name: getattr(first, name)[:, :1]
        for name in ("tokens", "not_padding", "scored", "depth", "stack_top_type", "opener")
    }
    one["scored"] = torch.ones_like(one["scored"])
    one["depth"] = torch.ones_like(one["depth"])
    one["stack_top_type"] = torch.zeros_like(one["stack_top_type"])
    return InputBatch(task=part.task, **one)
