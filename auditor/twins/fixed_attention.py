"""Twins whose last layer has fixed query and key maps that are never trained; all other weights are distilled."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from auditor.canonical.model import Attention, CanonicalTransformer
from auditor.records import Json
from auditor.records.values import whole
from auditor.twins.distillation import Schedule, distil
from auditor.twins.distillation_data import distillation_data
from auditor.twins.restarts import Best, Progress, best_of, restarts_of

STEPS = 2_000
"""Optimiser steps unless the plan says otherwise."""

PEAK = 1.5e-2
"""Highest learning rate."""

HARD_EXAMPLE_SHARE = 0.5
"""Share of each batch that is drawn in proportion to the KL last seen of each sequence, since few carry most of it."""

Fix = Callable[[Attention, int, np.random.Generator], None]
"""(attention, number of the attempt, generator): sets W_Q, b_Q, W_K and b_K in place."""


def with_fixed_attention(
    model: CanonicalTransformer,
    fix: Fix,
    *,
    parameters: Mapping[str, Json],
    generator: np.random.Generator,
    progress: Progress,
) -> Best:
    """The best twin, in float32, with the last layer's W_Q, b_Q, W_K and b_K frozen at what ``fix`` sets.

    All layers are trained, since what the last one reads must suit the attention that it now has.
    """
    teacher = model.clone(dtype=torch.float32)
    schedule = Schedule(steps=whole(parameters, "steps", STEPS), peak=PEAK, hard_example_share=HARD_EXAMPLE_SHARE)

    def make(number: int, generator: np.random.Generator, progress: Progress) -> CanonicalTransformer:
        student = teacher.clone()
        attention = student.attentions[-1]
        with torch.no_grad():
            fix(attention, number, generator)
        distil(
            student,
            teacher,
            distillation_data(teacher, generator, first_layer=0),
            first_layer=0,
            schedule=schedule,
            generator=generator,
            progress=progress,
            frozen=(attention.W_Q, attention.b_Q, attention.W_K, attention.b_K),
        )
        return student

    return best_of(make, model, restarts=restarts_of(parameters), generator=generator, progress=progress)
