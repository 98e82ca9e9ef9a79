"""The strings on which a twin of a classifier differs most from its original, out of many draws.

Most of what is left of the KL is in a few strings of a thousand, on which the twin is sure of the wrong answer: a pool
of some thousand strings lacks most of them, and one of them can cost a certificate. A hundred thousand draws are only
some thirty thousand different strings, since the short ones come again and again. All of them are looked at before the
twin is trained further, and the worst ones join what it learns from. They are drawn for the search and are in no
certificate.
"""

from __future__ import annotations

import numpy as np
import torch

from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.twins.distillation import Pool, kl_to_teacher
from auditor.twins.distillation_data import each_once, pools_of

DRAWS_A_STEP = 50
"""Strings that are drawn for each optimiser step of a start; most of them come more than once."""

HARDEST = 1_500
"""Strings that are learned from."""

BATCH = 96
"""Of them in a step."""

LOOKED_AT = 1_024
"""Strings that are run at once."""


class HardStrings:
    """Different strings with the original's answers, and what enters the first trained layer."""

    def __init__(
        self, teacher: CanonicalTransformer, generator: np.random.Generator, *, first_layer: int, steps: int
    ) -> None:
        """``steps``: optimiser steps of a start of the search."""
        self._first_layer = first_layer
        drawn = each_once(draw_inputs(teacher.task, max(1, DRAWS_A_STEP * steps), generator))
        self._pools = pools_of(teacher, drawn, first_layer, BATCH)

    def __len__(self) -> int:
        return sum(len(pool) for pool in self._pools)

    def hardest(self, twin: CanonicalTransformer) -> list[Pool]:
        """Those with the largest KL to the original."""
        found = [self._kl(pool, twin) for pool in self._pools]
        every = torch.cat(found)
        least = every.topk(min(HARDEST, len(every))).values[-1]
        rows = [(kl >= least).nonzero().flatten() for kl in found]
        return [pool.rows(index) for pool, index in zip(self._pools, rows, strict=True) if len(index)]

    @torch.no_grad()
    def _kl(self, pool: Pool, twin: CanonicalTransformer) -> torch.Tensor:
        """KL of each string in nats, [string]; strings of about one length are run together."""
        found = torch.empty(len(pool))
        for index in torch.split(pool.not_padding.sum(1).argsort(stable=True), LOOKED_AT):
            part = pool.rows(index)
            answers = (
                twin.run_from(part.residual, part.tokens, self._first_layer, fast=True)
                if self._first_layer
                else twin(part.tokens, fast=True)  # what enters the first layer may be trained too
            )
            found[index] = kl_to_teacher(part, answers.log_softmax(-1)).nan_to_num(0.0)
        return found
