"""Distils the original's outputs while another head becomes the most important one by mean ablation.

The effect e_h of head h is the mean KL(untouched ‖ h ablated) of the student over the scored outputs, where h's z is
replaced by its mean over the batch: the score of mean ablation, differentiable through both runs and the mean. The
penalty for target t is the hinge on its logarithm, Σ_{h≠t} max(0, ln(margin · e_h) − ln e_t).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from auditor.behaviour.effects import kl_per_position, mean_where
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.twins.distillation import Pool, kl_to_teacher

MARGIN = 1.5
"""How many times the effect of every other head the target's effect should be."""

SEQUENCES_PER_HEAD = 16
"""Sequences of a batch on which one head is ablated, at least."""

SMALLEST_EFFECT = 1e-4
"""Added to every effect, nats: a head without effect can still be lifted."""


@dataclass(frozen=True)
class Promotion:
    """The losses of a student in which the head of flat index ``target`` should be the top one.

    Batches longer than ``max_length`` + 1 tokens (START and the training length) only add to the KL: importance is
    measured on sequences of the training lengths.
    """

    student: CanonicalTransformer
    target: int
    max_length: int

    def __call__(self, pool: Pool) -> tuple[Tensor, Tensor]:
        """(KL to the teacher of each sequence in nats, penalty) of a batch."""
        if pool.tokens.shape[1] > self.max_length + 1:
            answers = self.student.run_from(pool.residual, pool.tokens, 0, fast=True)
            return kl_to_teacher(pool, answers.log_softmax(-1)), torch.zeros(())
        log_q, means = self._untouched(pool)
        effects = self._effects(pool, log_q, means)
        excess = (effects / effects[self.target]).log() + math.log(MARGIN)
        others = torch.arange(len(effects)) != self.target
        return kl_to_teacher(pool, log_q), excess[others].clamp_min(0).sum()

    def _untouched(self, pool: Pool) -> tuple[Tensor, list[Tensor]]:
        """Log-probabilities, and per layer the mean z over the positions that are not padding, [head, value_width]."""
        means: list[Tensor] = []

        def hook(site: Site, _layer: int, value: Tensor) -> Tensor:
            if site is Site.Z:
                not_padding = pool.not_padding.to(value)[:, :, None, None]
                means.append((value * not_padding).sum((0, 1)) / not_padding.sum())
            return value

        logits = self.student.run_from(pool.residual, pool.tokens, 0, hook)
        return logits.log_softmax(-1).view_as(pool.log_p), means

    def _effects(self, pool: Pool, log_q: Tensor, means: list[Tensor]) -> Tensor:
        """Estimates of every head's effect, [head]: each on its own part of the batch, in one run."""
        heads = self.student.architecture.heads
        count = max(len(pool), SEQUENCES_PER_HEAD * len(heads))
        row = torch.arange(count) % len(pool)
        ablated = torch.arange(count) * len(heads) // count  # which head in which row
        layer_of = torch.tensor([head.layer for head in heads])
        index_of = torch.tensor([head.head or 0 for head in heads])

        def hook(site: Site, layer: int, value: Tensor) -> Tensor:
            if site is not Site.Z:
                return value
            is_hit = (layer_of[ablated] == layer)[:, None] & (index_of[ablated, None] == torch.arange(value.shape[2]))
            return torch.where(is_hit[:, None, :, None], means[layer], value)

        tokens = pool.tokens[row]
        logits = self.student.run_from(pool.residual[row], tokens, 0, hook)
        log_p = log_q[row]
        effect = mean_where(kl_per_position(log_p, logits.log_softmax(-1).view_as(log_p)), pool.scored[row])
        total = torch.zeros(len(heads), dtype=effect.dtype).index_add(0, ablated, effect)
        return total / torch.bincount(ablated, minlength=len(heads)) + SMALLEST_EFFECT
