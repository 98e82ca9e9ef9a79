"""Twins whose last layer has fixed query and key maps that are never trained; all other weights are distilled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from auditor.canonical.model import Attention, CanonicalTransformer
from auditor.contracts import TransformRequest
from auditor.twins.distillation import Schedule, distil
from auditor.twins.ladder import Climbed
from auditor.twins.learning import Lesson, learned

STEPS = 2_000
"""Optimiser steps unless the plan says otherwise."""

PEAK = 1e-2
"""Highest learning rate, of SOAP."""

HARD_EXAMPLE_SHARE = 0.5
"""Share of each batch that is drawn in proportion to the KL last seen of each sequence, since few carry most of it."""

Fix = Callable[[Attention, int, np.random.Generator], None]
"""(attention, number of the start, generator): sets W_Q, b_Q, W_K and b_K in place."""


def with_fixed_attention(request: TransformRequest, fix: Fix) -> tuple[Climbed, int]:
    """The best twin, in float32, with the last layer's W_Q, b_Q, W_K and b_K frozen at what ``fix`` sets; its start.

    All layers are trained, since what the last one reads must suit the attention that it now has.
    """

    def start(teacher: CanonicalTransformer, number: int, generator: np.random.Generator) -> CanonicalTransformer:
        student = teacher.clone()
        with torch.no_grad():
            fix(student.attentions[-1], number, generator)
        return student

    return learned(request, start, _learn, steps=STEPS)


def _learn(student: CanonicalTransformer, lesson: Lesson) -> None:
    attention = student.attentions[-1]
    distil(
        student,
        lesson.teacher,
        lesson.pools,
        first_layer=0,
        schedule=Schedule(lesson.steps, lesson.share * PEAK, hard_example_share=HARD_EXAMPLE_SHARE),
        generator=lesson.generator,
        progress=lesson.progress,
        frozen=(attention.W_Q, attention.b_Q, attention.W_K, attention.b_K),
    )
