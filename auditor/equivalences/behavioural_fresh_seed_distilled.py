"""A model with the original's answers, learned from random weights."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Progress, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.values import whole
from auditor.twins.distillation import Schedule
from auditor.twins.distillation_data import distillation_data, own_strings, teach
from auditor.twins.fresh_start import fresh_start
from auditor.twins.ladder import budget_of, climb
from auditor.twins.learning import learning
from auditor.twins.matching import match

STEPS = 3_000
"""Optimiser steps unless the plan says otherwise."""

PEAK = 5e-3
"""Highest learning rate."""


class FreshSeedDistilled(Equivalence):
    """The same architecture starts from random weights and learns the original's output probabilities.

    Unlike a model that is trained on the task again, it also learns the original's errors, so that the two can be one
    function. Heads and neurons are matched with the original's on the search sequences.
    """

    version = 2
    kind = Kind.BEHAVIOURAL
    summary = "distilled from the original into random weights; heads and neurons are matched with the original's"
    needs = "nothing"
    source = "Hinton et al. 2015, arXiv 1503.02531, section 2; Li et al. 2016, arXiv 1511.07543 (matching)"

    def transform(self, request: TransformRequest) -> Transformed:
        """The trained twin in float32; ``parameters`` says the steps and restarts."""
        model, parameters = request.model, request.parameters
        teacher = model.clone(dtype=torch.float32)
        pools = distillation_data(teacher, request.generator, first_layer=0, own=own_strings(request))

        def learn(
            student: CanonicalTransformer, steps: int, share: float, generator: np.random.Generator, progress: Progress
        ) -> None:
            schedule = Schedule(steps, share * PEAK)
            teach(student, pools, schedule=schedule, generator=generator, progress=progress)

        best = climb(
            learning(
                lambda _number, generator: fresh_start(teacher, generator), learn, whole(parameters, "steps", STEPS)
            ),
            model,
            budget=budget_of(parameters, STEPS),
            generator=request.generator,
            progress=request.progress,
        )
        found = match(model, best.model, request.inputs)
        return Transformed(best.model, found.relabelling, {**found.to_json(), **best.to_json()})
