"""Twins whose last layer has fixed query and key maps that are never trained; all other weights are distilled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from auditor.canonical.model import Attention, CanonicalTransformer
from auditor.contracts import TransformRequest
from auditor.records.values import whole
from auditor.twins.distillation import Schedule, distil
from auditor.twins.distillation_data import distillation_data, own_strings
from auditor.twins.ladder import Climbed, Progress, budget_of, climb
from auditor.twins.learning import learning

STEPS = 2_000
"""Optimiser steps unless the plan says otherwise."""

PEAK = 1e-2
"""Highest learning rate, of SOAP."""

HARD_EXAMPLE_SHARE = 0.5
"""Share of each batch that is drawn in proportion to the KL last seen of each sequence, since few carry most of it."""

Fix = Callable[[Attention, int, np.random.Generator], None]
"""(attention, number of the start, generator): sets W_Q, b_Q, W_K and b_K in place."""


def with_fixed_attention(request: TransformRequest, fix: Fix) -> Climbed:
    """The best twin, in float32, with the last layer's W_Q, b_Q, W_K and b_K frozen at what ``fix`` sets.

    All layers are trained, since what the last one reads must suit the attention that it now has.
    """
    model, parameters = request.model, request.parameters
    teacher, steps = model.clone(dtype=torch.float32), whole(parameters, "steps", STEPS)
    pools = distillation_data(teacher, request.generator, first_layer=0, own=own_strings(request))

    def start(number: int, generator: np.random.Generator) -> CanonicalTransformer:
        student = teacher.clone()
        with torch.no_grad():
            fix(student.attentions[-1], number, generator)
        return student

    def learn(
        student: CanonicalTransformer, steps: int, share: float, generator: np.random.Generator, progress: Progress
    ) -> None:
        attention = student.attentions[-1]
        distil(
            student,
            teacher,
            pools,
            first_layer=0,
            schedule=Schedule(steps, share * PEAK, hard_example_share=HARD_EXAMPLE_SHARE),
            generator=generator,
            progress=progress,
            frozen=(attention.W_Q, attention.b_Q, attention.W_K, attention.b_K),
        )

    return climb(
        learning(start, learn, steps),
        model,
        budget=budget_of(parameters, STEPS),
        generator=request.generator,
        progress=request.progress,
    )
