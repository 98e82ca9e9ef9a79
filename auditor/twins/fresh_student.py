"""Random weights that learn a model's outputs: a second model of the same function, from another seed."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Progress, TransformRequest
from auditor.records.values import whole
from auditor.twins.distillation import Schedule
from auditor.twins.distillation_data import distillation_data, own_strings, teach
from auditor.twins.fresh_start import fresh_start
from auditor.twins.ladder import Climbed, budget_of, climb
from auditor.twins.learning import learning

STEPS = 3_000
"""Optimiser steps unless the plan says otherwise."""

PEAK = 5e-3
"""Highest learning rate."""


def distilled_from_scratch(request: TransformRequest) -> Climbed:
    """The best student, in float32, of several starts; ``parameters`` says the steps and restarts."""
    teacher = request.model.clone(dtype=torch.float32)
    pools = distillation_data(teacher, request.generator, first_layer=0, own=own_strings(request))

    def learn(
        student: CanonicalTransformer, steps: int, share: float, generator: np.random.Generator, progress: Progress
    ) -> None:
        teach(student, pools, schedule=Schedule(steps, share * PEAK), generator=generator, progress=progress)

    return climb(
        learning(
            lambda _number, generator: fresh_start(teacher, generator),
            learn,
            whole(request.parameters, "steps", STEPS),
        ),
        request.model,
        budget=budget_of(request.parameters, STEPS),
        generator=request.generator,
        progress=request.progress,
    )
