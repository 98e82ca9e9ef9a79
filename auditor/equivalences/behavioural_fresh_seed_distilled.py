"""A model with the original's answers, learned from random weights."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Progress, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.values import whole
from auditor.twins.distillation import Schedule
from auditor.twins.distillation_data import distillation_data, teach, why_not_taught
from auditor.twins.fresh_start import fresh_start
from auditor.twins.matching import match
from auditor.twins.restarts import best_of, restarts_of

STEPS = 3_000
"""Optimiser steps unless the plan says otherwise."""

PEAK = 5e-3
"""Highest learning rate."""


class FreshSeedDistilled(Equivalence):
    """The same architecture starts from random weights and learns the original's output probabilities.

    Unlike a model that is trained on the task again, it also learns the original's errors, so that the two can be one
    function. Heads and neurons are matched with the original's on the search sequences.
    """

    version = 1
    kind = Kind.BEHAVIOURAL
    summary = "distilled from the original into random weights; heads and neurons are matched with the original's"
    needs = "a language model"
    promise = "held-out KL, disagreement and closing accuracy within the margins of its certificate"
    source = "Hinton et al. 2015, arXiv 1503.02531, section 2; Li et al. 2016, arXiv 1511.07543 (matching)"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Classifiers are not distilled."""
        return why_not_taught(model)

    def transform(self, request: TransformRequest) -> Transformed:
        """The trained twin in float32; ``parameters`` says the steps and restarts."""
        model, inputs, generator, parameters, progress = (
            request.model,
            request.inputs,
            request.generator,
            request.parameters,
            request.progress,
        )
        teacher = model.clone(dtype=torch.float32)
        schedule = Schedule(steps=whole(parameters, "steps", STEPS), peak=PEAK)

        def make(_number: int, generator: np.random.Generator, progress: Progress) -> CanonicalTransformer:
            student = fresh_start(teacher, generator)
            pools = distillation_data(teacher, generator, first_layer=0)
            teach(student, pools, schedule=schedule, generator=generator, progress=progress)
            return student

        best = best_of(make, model, restarts=restarts_of(parameters), generator=generator, progress=progress)
        found = match(model, best.model, inputs)
        report = {"steps": schedule.steps, **found.to_json(), **best.to_json()}
        return Transformed(best.model, found.relabelling, report)
